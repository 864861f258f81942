"""Processes: what a Unix process is, in a world.

Owns: the noun. A process has a number, a parent, children, a group, arguments, an environment, a
working directory, descriptors (its host's), dispositions of signals, loops, and an exit code. Its
entropy, clock and sockets are what its threads are given by the sandbox, its *context*. The program
of a run is one, with the real arguments, environment and folder; a program that was registered with
the world is one, with those that it was started with; a host's program is one.

Must not know: how a loop runs, and how the sandbox puts a process in place.

Invariants:

- A number is given once in a world, in the order of starting; the program of a run is 1000.
- ``exit_code`` is set once, when the process has ended.
"""

from __future__ import annotations

import os
import platform
import sys
from contextvars import ContextVar
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from simloop.errors import UsageError
from simloop.net.linux import signal_names as signal

from .dispositions import UNCATCHABLE, Dispositions, check_signal

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Mapping

    from simloop._kernel import Kernel
    from simloop.net import Host

    from .process_clock import ProcessClock
    from .process_table import ProcessTable

__all__ = ["INIT_PID", "OWN_PID", "MainProcess", "Process", "ProcessWorld", "program_of_caller"]

OWN_PID = 1000
"""The number of the program of a run."""

INIT_PID = 1
"""The parent of processes that the world itself started, as in a container."""

_RELEASE = "6.1.0"
_VERSION = "#1 SMP PREEMPT_DYNAMIC"
"""What uname(2) tells of the kernel, for every world the same: a Linux as they are today."""

program_of_caller: ContextVar[Process | None] = ContextVar("simloop_program", default=None)
"""The registered program whose code runs, which shares the loop of its parent."""


class ProcessWorld(Protocol):
    """What a process needs of its world."""

    @property
    def processes(self) -> ProcessTable:
        """The processes of the world by number."""

    @property
    def threads(self) -> Any:
        """The thread scheduler; ``current`` is None on the thread that runs the loops."""

    @property
    def main_host(self) -> Host:
        """The machine of the program of the run, made when it is first asked for."""

    @property
    def kernel(self) -> Kernel:
        """The clock and the schedule."""

    def look_for_host(self) -> Host | None:
        """Return that machine, or None if nothing has asked for it yet."""

    def interrupt_handler(self) -> Any:
        """Return what Ctrl-C calls in the real process."""

    def is_of_user(self, error: BaseException, /) -> bool:
        """Return whether an error is of a real Ctrl-C, and so the end of the run."""

    def note(self, what: str, data: str, hostname: str = ..., /) -> None:
        """Tell the watchers of the run that something happened."""


class Process:
    """A simulated process, as its program sees it.

    Attributes:
        argv: The program's name and its arguments.
        env: Its environment.
        cwd: Its working directory.
        pid: Its number, counted per world.
        parent: The process that started it, or None.
        exit_code: None while it lives; minus the signal's number where a signal ended it.
        stdin: What it reads; at its end at once where it was given nothing.
        stdout: What it writes.
        stderr: What it complains; the same writer as ``stdout`` where that was asked for.
    """

    stdin: asyncio.StreamReader
    stdout: asyncio.StreamWriter
    stderr: asyncio.StreamWriter
    argv: list[str]
    env: Mapping[str, str]
    cwd: str
    send_signal: Callable[[int], object]
    """Deliver a signal; set by what holds the process."""

    # Defaults here, because each run makes one process, and most are no more than that.
    parent: Process | None = None
    exit_code: int | None = None
    clock: ProcessClock | None = None
    """The clock of its machine; None for the world's own."""
    context: Any = None
    """What its threads are given; None where that is the sandbox itself."""
    _host: Host | None = None
    _dispositions: Dispositions | None = None
    label: str = ""
    """What names of tasks begin with: the name of its host, where that is not the driver's."""
    ends_by_signals: bool = False
    """Whether a signal that nothing handles ends it; the end of others would be the run's."""
    loop_class: Any = None
    """The class of its loops, if the world does not choose it."""
    main_thread: Any = None
    """What ``threading.main_thread()`` returns in it; None for the real one."""
    calls_exit_functions: bool = False
    """Whether who runs it calls, at its end, what it has registered for that (``atexit``)."""
    exit_functions: Any = None
    """What it has registered, once it has."""
    events: Any = None
    """The owner of its steps that are on none of its loops; None where it ends with its loops."""

    def __init__(self, world: ProcessWorld, pid: int, parent: Process | None = None) -> None:
        self.world = world
        """Its world, known weakly."""
        self.pid: int = pid
        self.group: int = pid
        self.session: int = pid
        if parent is not None:
            self.parent = parent
            self.group, self.session = parent.group, parent.session
        self.loops: list[Any] = []

    @cached_property
    def children(self) -> dict[int, Process]:
        """The processes that it started, by number, the ended ones too."""
        return {}

    @cached_property
    def _handlers(self) -> dict[int, tuple[Callable[..., object], tuple[Any, ...]]]:
        return {}

    def __repr__(self) -> str:
        return f"<Process {self.argv!r} pid={self.pid}>"

    # What it has --------------------------------------------------------------------------------

    @property
    def host(self) -> Host:
        """The machine that it runs on: its parent's, or the one that it was given."""
        if self._host is None:
            self._host = self.world.main_host if self.parent is None else self.parent.host
        return self._host

    def run_on(self, host: Host, clock: ProcessClock | None = None) -> None:
        """Give the process a machine of its own, with the clock that it shows."""
        self._host = host
        self.clock = clock
        self.send_signal = self.dispositions.raise_signal

    def look_for_host(self) -> Host | None:
        """Return its machine, or None in a world that has made none yet."""
        return self.world.look_for_host() if self._host is None else self._host

    @property
    def dispositions(self) -> Dispositions:
        """What it does on each signal, made when that is first asked for."""
        if self._dispositions is None:
            self._dispositions = Dispositions(self, self.world)
        return self._dispositions

    @property
    def signals(self) -> Dispositions:
        """The same, as the functions of ``signal`` ask for it."""
        return self.dispositions

    # How the system's functions see it: the sandbox's ``Identity`` -------------------------------

    @property
    def parent_pid(self) -> int:
        """The number of its parent; 1 where the world itself started it."""
        return INIT_PID if self.parent is None else self.parent.pid

    def of_caller(self) -> Process:
        """Return the process of the code that runs: a registered program that shares the loop."""
        return program_of_caller.get() or self

    def uname(self) -> tuple[str, str, str, str, str]:
        """Return system, host name, release, version and machine."""
        return "Linux", self.host.hostname, _RELEASE, _VERSION, _MACHINE

    def has_own_copy_of(self, name: str) -> bool:
        """Return whether the module with this name is imported for it alone: none is."""
        del name
        return False

    def took_place(self) -> None:
        """Do nothing: a step of the program of the run comes, whose globals are the real ones."""

    def left_place(self) -> None:
        """Do nothing, as above."""

    def follow(self, before: Any) -> None:
        """Let a step of this process come after one of another."""
        before.left_place()
        self.took_place()

    def runs_in_thread(self, thread: Any) -> bool:
        """Return whether a simulated thread is its main one; None stands for the loops' thread."""
        main = self.main_thread
        return thread is None if main is None else getattr(thread, "joined_by", None) is main

    def is_stepped_by(self, owner: Any) -> bool:
        """Return whether steps of an owner, a loop say, are its own; None is what has no loop."""
        return any(owner is each for each in self.loops)

    def end_by(self, sig: int) -> None:
        """Do what a signal does that nothing handles.

        Raises:
            UsageError: It would end or stop the program of the run.
        """
        verb = "stop" if sig in {signal.SIGSTOP, signal.SIGTSTP} else "end"
        raise UsageError(
            f"{signal.name_of(sig)} would {verb} the process, because nothing handles"
            " it; set a handler by loop.add_signal_handler() or signal.signal() first"
        )

    def interrupt(self) -> None:
        """Do what Python's own handler of SIGINT does."""
        raise KeyboardInterrupt

    def end_with_parent(self, code: int) -> list[object]:
        """End, because the loop on which it lives is no more; return what it had."""
        had = list(vars(self).values())
        for name in ("stdin", "stdout", "stderr", "_handlers", "_dispositions"):
            vars(self).pop(name, None)
        self.send_signal = _ignore
        if self.exit_code is None:
            self.exit_code = code
        for child in self.children.values():
            had += child.end_with_parent(code)
        return had

    def run_handler(self, action: Callable[[], object]) -> None:
        """Run a handler of a signal, as a step."""
        action()

    def call_exit_functions(self) -> None:
        """Call what it has registered for its end, which has come.

        Raises:
            SimError: The world has ended one of them.
        """
        try:
            if self.exit_functions is not None:
                self.exit_functions.run()
        finally:
            self.exit_functions = None

    # What a program calls -------------------------------------------------------------------------

    def add_signal_handler(self, sig: int, callback: Callable[..., object], *args: Any) -> None:
        """Run ``callback(*args)`` as a step when the process gets the signal.

        Without a handler a signal does what Linux has it do: nothing for SIGCHLD, SIGURG, SIGWINCH
        and SIGCONT, the end of the process for the others; see signal(7).

        Raises:
            ValueError: There is no such signal.
            RuntimeError: The signal cannot be caught.
        """
        check_signal(sig)
        if sig in UNCATCHABLE:
            raise RuntimeError(f"sig {sig} cannot be caught")
        self._handlers[sig] = callback, args

    def remove_signal_handler(self, sig: int) -> bool:
        """Let the signal do again what it does without a handler; false if there was none."""
        check_signal(sig)
        return self._handlers.pop(sig, None) is not None

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)


def _ignore(sig: int) -> None:
    """Ignore a signal: it comes after the end."""
    del sig


class MainProcess(Process):
    """The program of a run: its arguments, environment and folder are the real ones."""

    pid = group = session = OWN_PID

    def __init__(self, world: ProcessWorld) -> None:  # Each run makes one: in two stores.
        self.world = world
        self.loops: list[Any] = []

    def renew(self) -> None:
        """Be what the constructor makes, in the same world, for its next run."""
        world = self.world
        self.__dict__.clear()
        self.__init__(world)  # type: ignore[misc]  # as said

    @property
    def argv(self) -> list[str]:  # type: ignore[override]  # an attribute of other processes
        """The arguments of the real process."""
        return sys.argv

    @property
    def env(self) -> Mapping[str, str]:  # type: ignore[override]  # as above
        """The environment of the real process."""
        return os.environ

    @property
    def cwd(self) -> str:  # type: ignore[override]  # as above
        """The working directory of the real process."""
        return os.getcwd()  # noqa: PTH109 - a string is wanted

    def is_stepped_by(self, owner: Any) -> bool:
        """Return whether steps are its own, as above; so are those between its loops."""
        return owner is None or super().is_stepped_by(owner)

    def send_signal(self, sig: int) -> None:
        """Act on a signal at once."""
        self.dispositions.raise_signal(sig)


_MACHINE = platform.machine()
"""Of the interpreter: compiled modules are for it, so a world can't be of another one."""

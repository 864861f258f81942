"""Processes on hosts: from the start of a program to its end, by itself or by a signal.

Owns: the life of one process. A coroutine function runs on a loop of the process, as
``asyncio.run`` runs one; another program in the process's main thread (:mod:`.program_thread`).
When the process ends, its descriptors are closed, so its peers hear what Linux lets them hear; what
was scheduled in it runs no more.

Must not know: which other hosts there are.

Invariants:

- A process ends once, and its exit code is set then; after that none of its code runs.
- One that ends by itself ends as ``asyncio.run`` does: its tasks are cancelled, and may clean up.
  One that is killed does nothing more.
- An error that nobody takes, neither ``restart`` nor ``exited()``, fails the run.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import contextmanager, suppress
from contextvars import Context
from functools import partial
from typing import TYPE_CHECKING, Any

from simloop._kernel import Handle, nanoseconds, seconds
from simloop._loop.host_loop import HostClockLoop, HostLoop, halt
from simloop._process import Process
from simloop._sandbox import collect_now, is_of_user
from simloop._sandbox.disk import wake_lock_waiters
from simloop._sandbox.killing.library_locks import free_library_locks
from simloop._sandbox.patching.process_globals import ProcessGlobals
from simloop._sandbox.process.exit_functions import ExitFunctions, end_threads
from simloop._sandbox.process.pools import drop_workers
from simloop.errors import UsageError
from simloop.world.disks.host_disks import HostSystemCalls, end_files

from .host_clock import check_seconds
from .process_events import ProcessEvents
from .program_thread import ProgramThread

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

    from simloop._process import ProcessClock
    from simloop.net import DescriptorTable

    from .host_program import HostProgram
    from .sim_host import SimHost

__all__ = ["HostProcess"]

_KILLED = -int(signal.SIGKILL)
_STOPS = (signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)


class HostProcess(Process):
    """A process on a host, as a test holds it.

    Attributes:
        pid: Its number, counted per world.
        exit_code: None while it lives; minus the signal's number where a signal ended it.
        error: The error that ended it, if one did.

    Example:
        >>> import asyncio, simloop
        >>> async def serve():
        ...     await asyncio.sleep(3600)
        >>> async def main():
        ...     process = simloop.current_world().add_host("db").start(serve)
        ...     await asyncio.sleep(1)
        ...     process.kill()
        ...     return await process.exited()
        >>> simloop.run(main())
        -9
    """

    error: BaseException | None = None
    exit_code: int | None = None  # Inherited, and said again for those who type-check.
    ends_by_signals = True
    calls_exit_functions = True
    _descriptors: Any = None
    _is_awaited = False
    stash: list[Any] | None = None

    def __init__(
        self,
        machine: SimHost,
        pid: int,
        program: HostProgram,
        env: Mapping[str, str] | None,
        fresh: Sequence[str],
    ) -> None:
        world = machine.world
        super().__init__(world.process.world, pid)
        self.machine = machine
        self.label: str = f"{machine.name}/"
        self._program = program
        self.globals: ProcessGlobals = ProcessGlobals(
            [program.name, *map(str, program.args)], env, fresh
        )
        self.globals.end = self.die
        self.exit_functions: ExitFunctions = ExitFunctions(finalizes=True)
        self._waiters: list[asyncio.Future[int]] = []
        self._pending: list[int] = []  # Signals that came while it was paused.
        self._interrupted = False
        self._exit: BaseException | None = None
        self._grace: Any = None
        self._main_task: asyncio.Task[Any] | None = None
        self.events: ProcessEvents = ProcessEvents(world.kernel, self)
        self._thread: ProgramThread | None = None
        host = machine.machine
        self._descriptors = host.open_table(machine.tables())
        self._host, self.clock = host, machine.clock.own

    @property
    def argv(self) -> list[str]:  # type: ignore[override]  # an attribute of other processes
        """Its program's name and arguments, as ``sys.argv`` shows them."""
        return self.globals.argv

    @property
    def env(self) -> Mapping[str, str]:  # type: ignore[override]  # as above
        """A copy of its environment."""
        return self.globals.env

    @property
    def cwd(self) -> str:  # type: ignore[override]  # as above
        """Where it works; empty where that is the folder in which the run began."""
        files = self._files
        if files is None:
            return self.globals.cwd or ""
        return "" if files.is_where_it_began() else files.getcwd()

    @property
    def descriptors(self) -> DescriptorTable:
        """Its table of descriptors."""
        return self._descriptors  # type: ignore[no-any-return]

    @property
    def _files(self) -> Any:
        """Its calls on files; None where it has made none, or its files are the real ones."""
        sockets = self.context.sockets
        return sockets.made_files if isinstance(sockets, HostSystemCalls) else None

    def __repr__(self) -> str:
        state = "runs" if self.exit_code is None else f"exit_code={self.exit_code}"
        return f"<process {self.pid} {self._program.name!r} on {self.machine.name!r}: {state}>"

    # What the sandbox asks --------------------------------------------------------------------

    def has_own_copy_of(self, name: str) -> bool:
        """Return whether the module with this name is imported for it alone."""
        return self.globals.has_own_copy_of(name)

    def took_place(self) -> None:
        """Put what the interpreter keeps once in place: a step of this process comes."""
        self.globals.enter()
        host = self.host
        self._outer = host.descriptors, host.pid
        host.descriptors, host.pid = self._descriptors, self.pid

    def left_place(self) -> None:
        """Put back what was there."""
        host = self.host
        host.descriptors, host.pid = self._outer
        self.globals.leave()

    def follow(self, before: Any) -> None:
        """Let a step of this process come after one of another."""
        if not isinstance(before, HostProcess) or before._host is self._host:
            super().follow(before)
            return
        host: Any = before._host
        host.descriptors, host.pid = before._outer
        self.globals.follow(before.globals)
        host = self._host
        self._outer = host.descriptors, host.pid
        host.descriptors, host.pid = self._descriptors, self.pid

    @property
    def main_thread(self) -> Any:
        """The thread that ``threading.main_thread()`` returns in it; None for the real one."""
        return None if self._thread is None else self._thread.thread

    # What a test does -------------------------------------------------------------------------

    def exited(self) -> Awaitable[int]:
        """Wait until it has ended; return its exit code.

        That takes its error, if it ends by one: the run does not fail by it.

        Raises:
            RuntimeError: No loop runs the caller.
        """
        self._is_awaited = True
        return self._wait()

    async def _wait(self) -> int:
        if self.exit_code is None:
            waiter: asyncio.Future[int] = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            return await waiter
        return self.exit_code

    def kill(self) -> None:
        """End it at once, as SIGKILL does: none of its code runs any more."""
        self.send_signal(signal.SIGKILL)

    def terminate(self, grace: float = 10.0) -> None:
        """Send SIGTERM, and SIGKILL after so many seconds, if it has not ended by then.

        Raises:
            UsageError: ``grace`` is no finite number of seconds, or negative.
        """
        grace = check_seconds("process.terminate()", grace)
        if grace < 0:
            raise UsageError(f"process.terminate({grace!r}): time does not go back; give 0 or more")
        self.send_signal(signal.SIGTERM)
        if self.exit_code is None and self._grace is None:
            kernel = self.machine.world.kernel
            self._grace = kernel.call_at_ns(kernel.now_ns + nanoseconds(grace), self.kill)

    def pause(self) -> None:
        """Stop it, as SIGSTOP does: nothing of it runs, and its timers are late.

        Its machine's kernel goes on: what is sent to it is acknowledged, as long as there is room.
        """
        if self.exit_code is None and self.stash is None:
            self.note("stops")
            self.stash = []
            for owner in self._owners():
                owner._stash = self.stash
            kernel = self.machine.world.kernel
            if self.runs_the_caller() and self.machine.world.threads.current is None:
                kernel.leave_loop()  # So that the next step asks whether it is paused.

    def resume(self) -> None:
        """Let it go on, as SIGCONT does; what was due meanwhile runs now, in order."""
        if self.stash is None:
            return
        self.note("goes on")
        stash, self.stash = self.stash, None
        for owner in self._owners():
            owner._stash = None
        self.machine.world.kernel.ready.extend(stash)
        pending, self._pending = self._pending, []
        for sig in pending:
            self.send_signal(sig)

    @property
    def is_paused(self) -> bool:
        """Whether it is stopped."""
        return self.stash is not None

    def _owners(self) -> list[Any]:
        """List what its steps belong to: its loops, and itself."""
        return [*self.loops, self.events]

    # Signals ----------------------------------------------------------------------------------

    def send_signal(self, sig: int) -> None:
        """Deliver a signal, as the kernel of its machine does (signal(7))."""
        if self.exit_code is not None:
            return
        if sig == signal.SIGKILL:
            self.note_signal(sig)
            self.die(_KILLED)
        elif sig == signal.SIGSTOP:
            self.pause()
        elif sig == signal.SIGCONT:
            self.resume()
        elif self.stash is not None:
            self._pending.append(sig)
        else:
            # One that its main thread sends itself has come when the call returns: kill(2).
            thread = self.machine.world.threads.current
            is_own = self.runs_the_caller() and self.runs_in_thread(thread)
            owner = None if is_own else next(iter(self.loops), self.events)
            self.dispositions.act(sig, owner)

    def note_signal(self, sig: int) -> None:
        """Tell the watchers of a signal."""
        self.world.note("signal", f"{int(sig)} to {self.pid}")

    def end_by(self, sig: int) -> None:
        """Do what a signal does that nothing handles: stop, or end."""
        if sig in _STOPS:
            self.pause()
        else:
            self.die(-int(sig))

    def interrupt(self) -> None:
        """Do what Python's handler of SIGINT does, or that of ``asyncio.Runner``."""
        if self.main_thread is not None:
            self.dispositions.interrupt(super().interrupt)
        elif self._main_task is not None:
            self._interrupted = True
            self._main_task.cancel()
        else:
            self.die(-int(signal.SIGINT))

    # Life -------------------------------------------------------------------------------------

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Be the process in place for a block."""
        sandbox = self.machine.world.sandbox
        before = sandbox.in_place
        sandbox.switch_to(self.context)
        try:
            yield
        finally:
            sandbox.switch_to(before)

    def begin(self) -> None:
        """Start the program; its first step comes at the next turn."""
        self.note(f"begins: {self.globals.argv!r}")
        self.machine.world.kernel.attach()  # Of its own steps, beside those of loops.
        with self.in_place():
            run = self._program.find(self.globals)
            if not self._program.is_coroutine:
                self._thread = ProgramThread(self, run)
                self._thread.start()
                return
            loop = self.machine.world.make_loop(self)
            task = Context().run(loop.create_task, run())
        self._main_task = task
        task.add_done_callback(self._main_done, context=Context())

    @property
    def loop_class(self) -> Any:
        """The class of its loops."""
        return HostLoop if self.clock is None else HostClockLoop

    def take_clock(self, clock: ProcessClock) -> None:
        """Go by a clock of its machine's own from now on."""
        self.clock = clock
        self.context.clock = clock
        for loop in self.loops:
            loop.take_clock()

    def clock_changed(self) -> None:
        """Wait on by its machine's clock, which runs at another rate from now on."""
        self.machine.world.threads.look_again(self)
        self.dispositions.clock_changed()

    def step_wall_clock(self, ahead_ns: int) -> None:
        """Let its wall clock jump."""
        self.context.start_ns += ahead_ns

    def call_soon(self, callback: Any, *args: Any) -> None:
        """Run ``callback(*args)`` as a step of the process, on none of its loops."""
        handle = Handle(callback, args, Context(), self.events)
        self.machine.world.kernel.ready.append(handle)

    def takes_exit(self, error: BaseException) -> bool:
        """End by what a step raised and no task keeps, as ``asyncio.run`` does; false for Ctrl-C.

        That is a ``SystemExit``, a ``KeyboardInterrupt``, or what a handler of a signal raises.
        """
        task = self._main_task
        if task is None or is_of_user(error):
            return False
        self._exit = error
        if not task.done():  # Another task, or a callback: what is left may clean up.
            task.cancel()
        return True

    def run_handler(self, action: Callable[[], object]) -> None:
        """Run a handler of a signal: what it raises goes through the loop that it interrupts."""
        try:
            action()
        except BaseException as error:
            if not self.takes_exit(error):
                raise

    def _main_done(self, task: asyncio.Task[Any]) -> None:
        """End as ``asyncio.run`` does: cancel what is left, and let it clean up."""
        loop: Any = task.get_loop()
        left = [each for each in asyncio.all_tasks(loop) if each is not task]
        if not left and loop._leaves_nothing():
            self._main_ended(task)
            return
        for each in left:
            each.cancel()
        clean_up = Context().run(loop.create_task, _clean_up(loop, left))
        clean_up.add_done_callback(lambda _: self._main_ended(task), context=Context())

    def _main_ended(self, task: asyncio.Task[Any]) -> None:
        """End by what the main task has come to, after threads and the functions for the end."""
        ending = self._ending_of(task)
        self.tell(ending[1])
        threads = self.machine.world.threads.threads_of(self)
        if not (self.exit_functions or any(not getattr(each, "daemon", True) for each in threads)):
            self.ended_by_itself(*ending)
        elif self.exit_code is None:  # That is on no loop, may block, and may run one itself.
            self._thread = ProgramThread(self, partial(_end_as, *ending), tells=False)
            self._thread.start()

    def tell(self, error: BaseException | None) -> None:
        """Tell what it ends by, as Python does first: the words of ``sys.exit``, or to its hook.

        An error that no hook of its own hears of is told by the run, or by who waits for the end.
        """
        if isinstance(error, SystemExit):
            if not isinstance(error.code, int | None):
                sys.stderr.write(f"{error.code}\n")
        elif error is not None and sys.excepthook is not sys.__excepthook__:
            with suppress(Exception):
                sys.excepthook(type(error), error, error.__traceback__)

    def come_to_end(self) -> None:
        """Do what Python does at the end of a program, in its main thread.

        Raises:
            SimError: The world has ended that.
        """
        end_threads(self.machine.world.threads, self)
        self.exit_functions.run()

    def _ending_of(self, task: asyncio.Task[Any]) -> tuple[object, BaseException | None]:
        if self._exit is not None:
            return None, self._exit
        if task.cancelled():
            return None, KeyboardInterrupt() if self._interrupted else asyncio.CancelledError()
        error = task.exception()
        return (None, error) if error else (task.result(), None)

    def ended_by_itself(self, value: object, error: BaseException | None) -> None:
        """End after the program has returned or raised."""
        if self.exit_code is not None:
            return
        if (files := self._files) is not None:
            files.flush()
        if isinstance(error, SystemExit):
            value, error = error.code, None
            if value is not None and not isinstance(value, int):
                value = 1  # As for sys.exit("a message").
        if isinstance(error, KeyboardInterrupt):
            self.end(-int(signal.SIGINT))  # As Python ends when nothing has caught one.
        elif error is not None:
            self.fail(error)
        else:
            self.end(value & 0xFF if isinstance(value, int) else 0)

    def fail(self, error: BaseException) -> None:
        """End by an uncaught error; fail the run with it, if nobody takes it."""
        if self.exit_code is not None:
            return
        self.error = error
        machine = self.machine
        now = seconds(machine.world.kernel.now_ns)
        error.add_note(
            f"This ended the process {self.pid} ({self._program.name}) of the host"
            f" {machine.name!r} at {now} s of virtual time."
        )
        is_taken = self._is_awaited or machine.restart_policy != "never"
        self.end(1)
        if not is_taken:
            machine.table.fail_run(error)

    def end(self, code: int, *, is_own: bool = False) -> None:
        """End: close what it has open, and run none of it any more.

        Args:
            code: The exit code.
            is_own: Whether its own code asks for that, in a step that is left afterwards.
        """
        if self.exit_code is not None:
            return
        self.exit_code = code
        self.note(f"ends: {code}")
        owners = self._owners()
        self.dispositions.stop_timer()
        self._halt()
        had_locks = (files := self._files) is not None and end_files(files)
        if self.host.is_off:
            self._lose_descriptors()
        else:
            self._close_descriptors()
        self._descriptors.end()
        if had_locks:
            wake_lock_waiters()
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(code)
        self.machine.process_ended(self)
        if not is_own:
            self.machine.table.step_out_of(owners)

    def _close_descriptors(self) -> None:
        """Close what is open, the lowest first (Linux: ``exit_files`` of kernel/exit.c)."""
        table = self._descriptors
        for fd in table.numbers():
            if fd in table:
                table.close(fd)

    def _lose_descriptors(self) -> None:
        """Let go of what is open without a word: the machine has no power."""
        table = self._descriptors
        for fd in table.numbers():
            file = table.get(fd)
            file.references = 0
            file.on_readable = file.on_writable = None

    def die(self, code: int) -> None:
        """End by a signal or by a power cut; if its own code asked for that, it goes no further."""
        is_own = self.runs_the_caller()
        if self.exit_code is None:
            collect_now()  # What it has dropped is finalized now, and not after its end.
            self.machine.table.killed.append(self.globals)
        self.end(code, is_own=is_own)
        if is_own:
            self.machine.table.leave_step(self)

    def runs_the_caller(self) -> bool:
        """Return whether the caller is code of this process."""
        if self.exit_code is not None:
            return False
        world = self.machine.world
        thread = world.threads.current
        if thread is not None:
            return thread.identity is self
        return any(world.kernel.current is each for each in self._owners())

    def _halt(self) -> None:
        world = self.machine.world
        remains = self.machine.table.remains
        if self._grace is not None:
            self._grace.cancel()
        for loop in list(self.loops):
            remains.keep(*halt(loop))
        remains.keep(*self.exit_functions.drop())
        threads = [each for each in world.threads.sim_threads if each.identity is self]
        remains.keep(*world.kernel.withdraw(self.events), *world.threads.freeze(self))
        remains.keep(*drop_workers([each.joined_by for each in threads]))
        free_library_locks([each.ident for each in threads])
        # Who holds the process does not hold what ran in it.
        remains.keep(self._main_task, self._thread, self._dispositions)
        self._main_task = self._thread = self._dispositions = None
        world.kernel.detach()
        for child in self.children.values():
            remains.keep(*child.end_with_parent(_KILLED))

    def note(self, what: str) -> None:
        """Tell the watchers of the run."""
        machine = self.machine
        self.world.note("process", f"{self.pid} on {machine.name} {what}", machine.machine.hostname)


def _end_as(value: object, error: BaseException | None) -> object:
    """End as a program did."""
    if error is not None:
        raise error
    return value


async def _clean_up(loop: Any, left: list[asyncio.Task[Any]]) -> None:
    """End what a program has left, as ``asyncio.Runner.close`` does."""
    await asyncio.gather(*left, return_exceptions=True)
    for task in left:
        if not task.cancelled() and task.exception() is not None:
            loop.call_exception_handler(
                {
                    "message": "unhandled exception during asyncio.run() shutdown",
                    "exception": task.exception(),
                    "task": task,
                }
            )
    await loop.shutdown_asyncgens()
    if loop._workers is not None or loop._default_executor is not None:
        await loop.shutdown_default_executor()

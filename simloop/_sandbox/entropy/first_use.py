"""What a process does once, in the middle of a run: imports, and what libraries do at first use.

The first run of a process imports modules that a later one finds loaded. What a module draws while
it is imported (``multiprocessing`` draws a key, numpy a seed), how long it sleeps, which ports it
tries must not be missing in the later run. So an import is cut out of the run, as if it had taken
place before: it draws from streams that follow the module's name alone, it sees the clock at the
world's start, sleeping there takes no time of the run's, and ports are given out afterwards as if
it had tried none. The same holds for the search of ``tempfile`` for its folder.

A module of which a process of a host has a copy of its own is imported at each start of that, as a
part of its run: there nothing is cut out.

Owns: which functions do things once, and stepping out of the run's streams for them. Each module is
apart by itself, also one that another one imports: it may have been loaded before that one.

Must not know: how streams are exchanged; see :class:`.Entropy`.

Invariants:

- Of the run's streams, clock and ports nothing is moved by such an import, whether it fails or not.
- What a module drew is the same in each process, whatever the seed: the module stays loaded, and a
  later run with another seed finds what it drew.
- A traceback shows none of it: Python leaves frames of its import system out of tracebacks by
  their file (CPython ``Python/import.c``, ``remove_importlib_frames``), and takes ours for such.
"""

from __future__ import annotations

import importlib
import sys
from itertools import count, repeat
from operator import length_hint
from typing import TYPE_CHECKING, Any

from simloop._kernel import RandomStreams, seconds
from simloop._sandbox.patching.module_state import keeper, variable
from simloop._sandbox.patching.registry import rewrite, when_loaded
from simloop._sandbox.run_context import by_thread, get_ident

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from simloop._sandbox.contracts import Clock
    from simloop._sandbox.patching.module_state import Start
    from simloop._sandbox.run_context import RunContext
    from simloop._sandbox.time.cpu_time import CpuTime

    from .entropy import Entropy

__all__ = ["is_apart"]


class _OwnClock:
    """The clock of something that is done once: it begins at the world's start."""

    __slots__ = ("limits", "now_ns", "steps")

    def __init__(self, clock: Clock) -> None:
        self.now_ns = 0
        self.limits = clock.limits
        self.steps: int = clock.steps

    def now_s(self) -> float:
        """Return the time in float seconds."""
        return seconds(self.now_ns)

    def block(self, duration_ns: int) -> None:
        """Let time pass for nobody else."""
        self.now_ns += duration_ns


class _Apart:
    """One thing that is done once, by a thread of a run."""

    __slots__ = ("_clock", "_cpu", "_entropy", "_own", "_reads", "_restore_ports", "_run")

    def __init__(self, run: RunContext, name: str) -> None:
        self._run = run
        self._clock: Clock = run.clock
        self._reads = run.polls, length_hint(run.reads)
        self._cpu: CpuTime | None = run.cpu
        run.polls = run.cpu = None
        self._entropy: Entropy = run.entropy
        sockets = run.sockets
        self._restore_ports = None if sockets is None else sockets.keep_ports()
        self._own = self._entropy.step_apart(name, run.start_ns)
        run.entropy, run.clock = self._own, _OwnClock(self._clock)

    def end(self) -> None:
        """Go on with the run's own."""
        self._run.entropy, self._run.clock = self._entropy, self._clock
        self._run.polls, reads_left = self._reads
        self._run.cpu = self._cpu
        self._run.reads = repeat(None, reads_left)
        self._entropy.come_back(self._own, self._run.start_ns)
        if self._restore_ports is not None:
            self._restore_ports()


def is_apart(run: RunContext) -> bool:
    """Return whether a thread does something just now that a process does once."""
    return type(run.clock) is _OwnClock


def _step_apart(name: str) -> _Apart | None:
    run = by_thread.get(get_ident())
    return None if run is None else _Apart(run, name)


def _find_and_load(name: str, import_: Any) -> Any:
    """Load a module that is not loaded yet; Python comes here for others, too."""
    apart = None if name in _modules or _is_of_its_own(name) else _step_apart(name)
    try:
        return _real_find_and_load(name, import_)
    finally:
        if apart is not None:
            apart.end()


def _is_of_its_own(name: str) -> bool:
    """Return whether the calling process imports a module for itself, anew at each start.

    Beneath a module for all it would be loaded but once, with that: so it is apart, too.
    """
    run = by_thread.get(get_ident())
    if run is None or run.identity is None or is_apart(run):
        return False
    return run.identity.has_own_copy_of(name)


_modules = sys.modules
_load: Any = importlib._bootstrap._find_and_load  # type: ignore[attr-defined]
_find_and_load.__code__ = _find_and_load.__code__.replace(co_filename=_load.__code__.co_filename)
_real_find_and_load: Any = rewrite(_load, _find_and_load)


def _do_apart(function: Any, name: str) -> None:
    """Let a function that does something once per process do it apart from the run."""

    def do(*args: Any, **kwargs: Any) -> Any:
        apart = _step_apart(name)
        try:
            return real(*args, **kwargs)
        finally:
            if apart is not None:
                apart.end()

    real: Callable[..., Any] = rewrite(function, do)


# tempfile ---------------------------------------------------------------------------------------


def _by_trial() -> str | None:
    """Return None: outside of disks a folder is found by a file that is made in it."""
    return None


find_temporary_folder: Callable[[], str | None] = _by_trial
"""Returns the folder for temporary files, where it is known without a trial."""


def _register_tempfile(module: ModuleType) -> None:
    """Let temporary names come from one stream of the world, whatever object gives them out.

    Such an object seeds itself at its first use in a process (CPython ``Lib/tempfile.py``), and
    ``multiprocessing`` keeps some for good.
    """

    def rng(names: Any) -> Any:
        run = by_thread.get(get_ident())
        return real_rng(names) if run is None else run.entropy.stream("program/temporary names")

    def default_folder() -> str:
        found = find_temporary_folder()
        if found is not None:
            return found
        apart = _step_apart("tempfile._get_default_tempdir")
        try:
            folder: str = real_default()
        finally:
            if apart is not None:
                apart.end()
        return folder

    real_rng = rewrite(vars(module._RandomNameSequence)["rng"].fget, rng)
    real_default = rewrite(module._get_default_tempdir, default_folder)


when_loaded("tempfile", _register_tempfile)
# The folder that a run finds, by an environment that is its own, is not the next one's.
variable("tempfile", "tempdir", lambda _start: sys.modules["tempfile"].tempdir)


def _register_multiprocessing(module: ModuleType) -> None:
    for name in ("get_temp_dir", "_has_writeable_tempdir"):  # The latter since Python 3.14.
        if hasattr(module, name):
            _do_apart(getattr(module, name), f"multiprocessing.util.{name}")


when_loaded("multiprocessing.util", _register_multiprocessing)


class _AuthenticationKey:
    """The key that a process draws while ``multiprocessing.process`` is imported.

    A run that does not import the module finds what it would have drawn in that.
    """

    key = "multiprocessing.process.current_process().authkey"
    compares = True

    def __init__(self, module: ModuleType) -> None:
        self._module = module

    @property
    def glance(self) -> Any:
        """The key."""
        return self.get()

    def get(self) -> Any:
        """Return the key."""
        return self._module.current_process().authkey

    def set(self, value: Any, /) -> None:
        """Put a key in place."""
        self._module.current_process().authkey = value

    def begin(self, _start: Start, /) -> None:
        """Put the key in place that an import in a run draws."""
        drawn = RandomStreams(f"once/{self._module.__name__}").stream("program/os")
        self._module.current_process().authkey = drawn.randbytes(_KEY_BYTES)


_KEY_BYTES = 32
"""Size of such a key (CPython ``Lib/multiprocessing/process.py``, ``_MainProcess``)."""

when_loaded("multiprocessing.process", lambda module: keeper(_AuthenticationKey(module)))
# Processes are named by their number, in each world from the first.
variable("multiprocessing.process", "_process_counter", lambda _start: count(1))

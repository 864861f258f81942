"""Threads that spin: ``while not flag: pass``, where another thread is to set the flag.

Owns: finding out that a thread of a run, which has computed for a while in one turn, only goes
round and round, and letting it yield at each round. Real threads are preempted; one of a run keeps
the turn until it waits, so without this a thread that waits by looking would look for ever. The
loop's own thread is looked at in the same way while the run has others: see
:mod:`.watching.spin_watch`.

How. The thread's lines are traced for a moment. If the same lines come again and again, in the same
frames, with the same variables, then nothing but another thread can end that, and where the thread
is preempted makes no difference: it sleeps then at each round, as a program does that waits by
reading a clock, in steps that grow with what has passed. That it was found out in real time is not
seen in the run, because the clock stood still until then.

Must not know: what the thread waits for.

Invariants: a thread that computes (one of its variables changes, or what its objects hold) is left
alone; a thread that another tool traces is, too. No frame and no object of the program's is held
from one line to the next: when looking begins is decided in real time.
"""

from __future__ import annotations

import ctypes
import sys
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from simloop.errors import LimitError

from .watching.seen_state import SeenState

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from simloop._kernel import Kernel

    from .sim_thread import SimThread

__all__ = [
    "SPIN_S",
    "Spin",
    "Spinner",
    "end_of_turn",
    "is_traced",
    "look_for_spin",
    "raise_failure",
    "thread_state",
]

SPIN_S = 0.1
"""So long a thread computes in one turn before it is looked at."""

_ROUNDS = 20
"""How many rounds in a row have to be the same."""

_ROUND_MAX = 2000
"""A round in which more is seen than this is work; each line counts what its variables are."""

_LINES = 5000
"""After so many lines without a spin the thread is left alone."""

_STEP_NS = 1000
_GROWTH = 1000
_WAIT_MAX_NS = 366 * 86_400 * 10**9


class Spinner(Protocol):
    """A thread that may spin."""

    __qualname__: str
    ident: int
    spin: Spin | None
    state: Any
    """Where the interpreter keeps the thread; None where that is not known, or not needed."""

    @property
    def kernel(self) -> Kernel:
        """The schedule that it takes part in."""

    @property
    def threads(self) -> Any:
        """The scheduler that knows its real identifier."""

    def is_in_turn(self) -> bool:
        """Return whether it is still in the turn in which it is looked at; called on it."""

    def sleep(self, duration_ns: int) -> None:
        """Let others run, and time pass."""


class Spin:
    """What is seen of one thread's lines."""

    def __init__(self, thread: Spinner, end: Callable[[], None]) -> None:
        self._thread = thread
        self._end = end
        self.is_yielding: bool = False
        """Whether the thread waits because it spins."""
        self._lines = 0
        self._rounds = 0
        self._round = SeenState()
        self._before: SeenState | None = None
        # Where a round begins: its outermost frame's first line. Not just any, for two reasons: the
        # same is found wherever it was when looking began, and what is called in a round may hold a
        # lock that it has given back by then (``while queue.empty()``).
        # It is an address, which is the frame's until that has returned.
        self._anchor = 0
        # A line and the jump on it are two: a round may come to both (3.13), or to jumps alone.
        self._first = (0, False)
        self._since_ns: int | None = None

    def end(self) -> None:
        """Look no longer."""
        if self._thread.spin is self:
            self._thread.spin = None
            self._end()
            self._anchor, self._before, self._round = 0, None, SeenState()

    def line(self, frame: FrameType, *, jumps: bool = False) -> None:
        """Take note of a line, or of a jump on it, called on the thread that comes to it."""
        if frame.f_lineno is None:
            return  # A jump that is the compiler's own has no line (from 3.12 on).
        if str(frame.f_globals.get("__name__")).startswith("simloop."):
            return
        anchor = self._anchor
        if id(frame) == anchor and (frame.f_lineno, jumps) == self._first:
            self._round_ends(frame)
            return
        self._lines += 1
        if self._lines > _LINES or (not anchor and not self._thread.is_in_turn()):
            self.end()
        elif not anchor or len(self._round) > _ROUND_MAX or self._is_further_out(frame):
            self._begin_at(id(frame), (frame.f_lineno, jumps))
        else:
            self._round.add(frame)

    def returns(self, frame: FrameType) -> None:
        """Take note that a frame comes to its end, or is left: another may have its address."""
        if id(frame) == self._anchor:
            self._begin_at(0, (0, False))

    def _begin_at(self, anchor: int, first: tuple[int, bool]) -> None:
        self._anchor, self._first = anchor, first
        self._round, self._before, self._rounds = SeenState(), None, 0

    def _is_further_out(self, frame: FrameType | None) -> bool:
        """Return whether a line comes before the first one of the round, or calls what has it."""
        if frame is not None and id(frame) == self._anchor:
            return frame.f_lineno < self._first[0]
        while frame is not None and id(frame) != self._anchor:
            frame = frame.f_back
        return frame is None

    def _round_ends(self, frame: FrameType) -> None:
        if not self._thread.is_in_turn():
            self.end()
            return
        done, self._round = self._round, SeenState()
        done.add(frame)
        same = self._before is not None and self._before.is_like(done)
        self._before = done
        self._rounds = self._rounds + 1 if same else 0
        self._lines = 0 if same else self._lines + 1
        if self._lines > _LINES:
            self.end()
        elif self._rounds >= _ROUNDS:
            self._yield(frame)
        elif not same:
            self._since_ns = None

    def _yield(self, frame: FrameType) -> None:
        """Let others run, and time pass."""
        thread = self._thread
        now_ns = thread.kernel.now_ns
        if self._since_ns is None:
            self._since_ns = now_ns
        passed_ns = now_ns - self._since_ns
        limits = thread.kernel.limits
        step_ns = max(_STEP_NS, passed_ns // _GROWTH)
        if passed_ns > _WAIT_MAX_NS or now_ns + step_ns > limits.time_max_ns:
            self.end()
            raise LimitError(
                f"{thread.__qualname__} goes round and round without a change, and"
                f" {passed_ns / 1e9:.0f} s of virtual time have not ended that, at\n"
                f"    {frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_qualname}\n"
                "Let it wait by threading.Event, or sleep"
            )
        self.is_yielding = True
        try:
            thread.sleep(step_ns)
        except BaseException:
            self.end()  # The run is over.
            raise
        finally:
            self.is_yielding = False


# Python 3.11 ------------------------------------------------------------------------------------

_TRACE_LINE, _TRACE_RETURN = 2, 3  # CPython: Include/cpython/pystate.h.


def thread_state() -> Any:
    """Return what tells the interpreter which thread the caller is, where that is needed."""
    return None if hasattr(sys, "monitoring") else _current_state()


def is_traced(thread: Spinner) -> bool:
    """Return whether a tool traces a thread, which a second one would end; called on another one.

    From Python 3.12 on two don't disturb one another. Frames, which have marks of what traces them,
    are not asked for: whoever has one holds all its variables.
    """
    return not hasattr(sys, "monitoring") and _has_trace_function(thread.state)


def end_of_turn(thread: SimThread) -> None:
    """Look no longer at a thread that waits for something, or has ended."""
    spin = thread.spin
    if spin is not None and not spin.is_yielding:
        spin.end()


def look_for_spin(thread: Spinner) -> None:
    """Begin to look whether a thread that computes spins; called on another one."""
    if thread.spin is not None or raise_failure(thread):
        return
    if hasattr(sys, "monitoring"):
        _monitor(thread)
    elif thread.state is not None and sys.gettrace() is None:
        _trace(thread)


if not hasattr(sys, "monitoring"):
    _current_state: Any = ctypes.pythonapi.PyThreadState_Get
    _current_state.restype = ctypes.c_void_p
    _set_trace: Any = ctypes.pythonapi._PyEval_SetTrace
    _function = ctypes.PYFUNCTYPE(
        ctypes.c_int, ctypes.c_void_p, ctypes.py_object, ctypes.c_int, ctypes.c_void_p
    )
    _set_trace.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
    _kept: dict[int, Any] = {}
    _failed: dict[int, Any] = {}
    """What is to be raised in a thread; not by its trace function, a call from C that knows no
    errors."""

    # Where PyThreadState of Include/cpython/pystate.h has c_tracefunc.
    _TRACE_FUNCTION_AT = 72

    def _has_trace_function(state: int | None) -> bool:
        return (
            state is not None
            and ctypes.c_void_p.from_address(state + _TRACE_FUNCTION_AT).value is not None
        )

    def raise_failure(thread: Spinner) -> bool:
        """Raise in a thread what was found of it, if anything; called on another one."""
        raised = _failed.pop(thread.ident, None)
        if raised is None:
            return False
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(thread.ident), ctypes.py_object(raised)
        )
        return True

    def _trace(thread: Spinner) -> None:
        ident, state = thread.ident, thread.state

        def end() -> None:
            _set_trace(state, None, None)

        spin = thread.spin = Spin(thread, end)

        def hear(_self: Any, frame: Any, what: int, _arg: Any) -> int:
            if what == _TRACE_LINE:
                try:
                    spin.line(frame)
                except BaseException as error:  # noqa: BLE001 - it can't be raised from here
                    spin.end()
                    kind = type(error)
                    message = str(error)

                    def init(self: Any, *args: object) -> None:
                        kind.__init__(self, *(args or (message,)))

                    _failed[ident] = type(kind.__name__, (kind,), {"__init__": init})
            elif what == _TRACE_RETURN:
                spin.returns(frame)
            return 0

        _kept[ident] = called = _function(hear)
        _set_trace(state, ctypes.cast(called, ctypes.c_void_p), None)


else:

    def _has_trace_function(state: int | None) -> bool:
        del state
        return False

    def raise_failure(thread: Spinner) -> bool:
        """Return False: a monitor's callback raises by itself."""
        del thread
        return False


def _monitor(thread: Spinner) -> None:
    monitoring: Any = vars(sys)["monitoring"]  # From 3.12 on.
    tool = next((each for each in (3, 4) if monitoring.get_tool(each) is None), None)
    if tool is None:
        return
    ident, events = thread.ident, monitoring.events
    real_ident = thread.threads.bridge.real_ident
    monitoring.use_tool_id(tool, "simloop")

    def end() -> None:
        monitoring.set_events(tool, 0)
        for event in callbacks:
            monitoring.register_callback(tool, event, None)
        monitoring.free_tool_id(tool)

    spin = thread.spin = Spin(thread, end)

    def heard_by(take: Callable[[FrameType], object]) -> Callable[..., None]:
        def hear(*_what: Any) -> None:
            if real_ident() == ident:
                take(sys._getframe(1))

        return hear

    callbacks = {
        events.LINE: heard_by(spin.line),
        events.JUMP: heard_by(partial(spin.line, jumps=True)),  # A one-line loop has no other.
        events.PY_RETURN: heard_by(spin.returns),
        events.PY_UNWIND: heard_by(spin.returns),
    }
    for event, callback in callbacks.items():
        monitoring.register_callback(tool, event, callback)
    monitoring.set_events(tool, sum(callbacks))

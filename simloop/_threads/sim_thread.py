"""Simulated threads: the threads of a world other than the one that runs its loops.

Owns: one real thread each, and how it yields. A simulated thread runs only while the loop's thread
stands in a step that switched to it, and that step ends when the thread waits, sleeps or ends. So a
thread is a row of steps, like a task.

Must not know: which thread is next; that is the ready queue's order, see :mod:`.thread_scheduler`.

Invariants:

- A thread that does not run is parked, has not begun, or has ended.
- A wait may end early: after each return of ``park`` the caller checks its condition again.
- A thread that was given up (``is_lost``) never has the turn again; it is on its own in the real
  world and ends at its next wait.
"""

from __future__ import annotations

import functools
import threading
from collections import deque
from contextvars import Context
from typing import TYPE_CHECKING, Any

from simloop._kernel import NEVER, Handle, TimerHandle
from simloop._kernel.safe_looks import attribute_of, class_name, unwrapped

from .preemption import Preemption
from .real_threads import Gate
from .spinning import thread_state

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType

    from simloop._kernel import Kernel, Limits

    from .spinning import Spin
    from .thread_scheduler import ThreadScheduler

__all__ = ["SimThread", "name_of"]


def name_of(function: Any, args: tuple[Any, ...] = ()) -> str:
    """Name what a thread runs, seeing through what starts it: partials, contexts, threads.

    Example:
        >>> import contextvars, functools
        >>> name_of(functools.partial(contextvars.copy_context().run, print, 1))
        'builtins.print'
    """
    function = what_runs(function, args)
    name = attribute_of(function, "__qualname__") or class_name(type(function))
    module = attribute_of(function, "__module__")
    return f"{module}.{name}" if module else f"{name}"


def what_runs(function: Any, args: tuple[Any, ...] = ()) -> Any:
    """Return the function of the program that a thread runs, beneath what starts it."""
    thread: Any = attribute_of(function, "__self__")
    if attribute_of(thread, "_bootstrap") is not None:
        function = attribute_of(thread, "_target") or type(thread).run
    while True:
        if type(function) is functools.partial:
            function, args = function.func, (*function.args, *args)
        elif type(attribute_of(function, "__self__")) is Context and args:
            function, args = args[0], args[1:]
        else:
            break
    return unwrapped(function)


def _is_left_alone(code: CodeType) -> bool:
    """Return whether a function on a thread's stack ends as ever when the thread is frozen.

    That is the thread's own life, ours and that of Lib/threading.py, which keeps the books.
    """
    if code.co_filename == threading.__file__:
        return code.co_name in {"_bootstrap", "_bootstrap_inner"}
    return code is SimThread.main.__code__


def _tell_nobody(_thread: object) -> None:
    """Stand where a thread tells of an error that nobody has caught."""


class SimThreadClock:
    """The clock that a thread sees: sleeping lets others run."""

    __slots__ = ("_thread",)

    def __init__(self, thread: SimThread) -> None:
        self._thread = thread

    @property
    def now_ns(self) -> int:
        """What the clock of its machine shows: the world's time, as a rule."""
        own = self._thread.own_clock
        return self._thread.kernel.now_ns if own is None else int(own.now_ns)

    def true_ns(self, due_ns: int) -> int:
        """Return the world's time at which it shows ``due_ns``, as it runs now."""
        own = self._thread.own_clock
        return due_ns if own is None or due_ns >= NEVER else int(own.true_ns(due_ns))

    def now_s(self) -> float:
        """Return the same in float seconds."""
        own = self._thread.own_clock
        return self._thread.kernel.now_s() if own is None else float(own.now_s())

    @property
    def limits(self) -> Limits:
        """The limits of the run."""
        return self._thread.kernel.limits

    @property
    def steps(self) -> int:
        """Always 0: a thread may yield at each read of a clock, and polls all the same."""
        return 0

    def block(self, duration_ns: int, /) -> None:
        """Sleep: be woken by a timer of the world."""
        self._thread.sleep(duration_ns)


class SimThreadWaiter:
    """One wait of a thread.

    Args:
        thread: It.
        thing: What is waited for.
        timeout_ns: For how long; None for ever.
        is_true: Whether that is by the world's clock, and not by that of its machine, whose rate
            may change meanwhile.
    """

    __slots__ = ("_due_ns", "_is_true", "_thing", "awake", "thread")

    def __init__(
        self, thread: SimThread, thing: object, timeout_ns: int | None, *, is_true: bool = False
    ) -> None:
        self.thread: SimThread = thread
        self._thing = thing
        self._is_true = is_true
        clock: Any = thread.kernel if is_true else thread.clock
        self._due_ns = NEVER if timeout_ns is None else clock.now_ns + timeout_ns
        self.awake: bool = False

    def park(self) -> bool:
        """Block until woken, while others run; false if time has run out."""
        thread = self.thread
        deadline_ns = self._due_ns if self._is_true else thread.clock.true_ns(self._due_ns)
        if thread.kernel.now_ns >= deadline_ns:
            return False
        thread.is_parked = (
            True  # First this, then the question: a thread outside does it crosswise.
        )
        if not self.awake:
            thread.park(self._thing, deadline_ns)
        thread.is_parked = False
        self.awake = False
        return True

    def wake(self) -> None:
        """Schedule the thread's next step."""
        self.awake = True
        if self.thread.is_parked:
            self.thread.schedule()

    def end(self) -> None:
        """Leave no trace."""


class SimThread:
    """A thread of the world; called, it runs until it waits.

    Args:
        scheduler: What switches to it.
        loop: The loop whose steps its steps are.
        number: Which one it is, counted per world.
        label: What it runs, for messages and digests.
    """

    def __init__(self, scheduler: ThreadScheduler, loop: Any, number: int, label: str) -> None:
        self.threads = scheduler
        self.kernel: Kernel = scheduler.kernel
        self.loop: Any = loop
        self.number = number
        self.ident: int = 0
        self.state: Any = None
        self.spin: Spin | None = None
        self.function: object = None
        self.joined_by: object = None
        self.waits_for: object = None
        self.handle: Handle | TimerHandle | None = None
        self.is_parked: bool = False
        self.is_ending = False
        self.is_lost: bool = False
        self.is_frozen: bool = False
        self._interrupts: deque[Callable[[], object]] = deque()
        self.when_on: Callable[[], object] | None = None
        self.has_ended: bool = False
        self._context = Context()
        self._go = Gate()
        self._back = Gate()
        self.clock: SimThreadClock = SimThreadClock(self)
        self._sandbox = scheduler.bridge.for_thread(self.clock, number)
        self.call_it(label)

    def call_it(self, label: str) -> None:
        """Give the thread's steps a name."""
        self.__qualname__ = f"{label} in thread {self.number}"
        self.__module__ = ""

    def __bool__(self) -> bool:
        return self.has_ended

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.__qualname__}>"

    @property
    def is_stopped(self) -> bool:
        """Whether its process is stopped, so that no step of it runs."""
        return self.loop._stash is not None

    def begins_with(self) -> Any:
        """Return the function of the program that it is about to begin, or None."""
        return what_runs(self.function) if not self.ident else None

    # On the loop's thread ------------------------------------------------------------------

    def __call__(self) -> None:
        """Run until it waits, as a step."""
        if not self.oversleeps():
            self.threads.switch_to(self)

    def oversleeps(self) -> bool:
        """Tell whether an explored run lets it go on later than at the time that it waits for."""
        kernel: Any = self.kernel
        scheduler = self.threads
        if kernel.gate is None or self not in scheduler.asleep:
            return False
        if self.is_ending or self.is_lost or self.is_frozen:
            return False
        ns = kernel.delay_ns("job", self.__qualname__)
        if ns:
            if self.handle is not None:
                self.handle.cancel()
            self.handle = Handle(self, (), self._context, self.loop)
            del scheduler.asleep[self]
            self._hold(ns)
        return bool(ns)

    def _hold(self, ns: int) -> None:
        """Take its next step later by so much."""
        kernel: Any = self.kernel
        self.threads.awake[self] = None
        self.threads.held[self] = kernel.now_ns + ns
        kernel.hold(self.handle, ns)

    def schedule(self) -> None:
        """Append a step of the thread to the ready queue."""
        scheduler = self.threads
        if self in scheduler.awake or self.has_ended or self.is_lost or self.is_frozen:
            return
        if self.handle is not None:
            self.handle.cancel()
        self.handle = Handle(self, (), self._context, self.loop)
        scheduler.asleep.pop(self, None)
        scheduler.awake[self] = None
        kernel: Any = self.kernel
        ns = 0 if kernel.gate is None else kernel.delay_ns("job", self.__qualname__)
        if ns:
            self._is_late()
            self._hold(ns)
        else:
            kernel.ready.append(self.handle)
        if not scheduler.has_turn():
            scheduler.real_work.ring()

    def _is_late(self) -> None:
        """Do nothing; a worker is at work on its job from here on."""

    def may_be_held(self) -> bool:
        """Return whether a call of it may be where it is preempted."""
        return not (self.is_ending or self.is_lost or self.is_frozen) and self.is_in_turn()

    def be_held(self, ns: int) -> None:
        """Let others run, for so long at least; at 0 its next turn is the first in the queue."""
        self.handle = Handle(self, (), self._context, self.loop)
        if ns:
            self._hold(ns)
        else:
            self.threads.awake[self] = None
            self.kernel.ready.appendleft(self.handle)
        self.park("its turn")

    def begin_turn(self) -> None:
        """Start the thread's turn, and return at once."""
        self.handle = None
        self._go.open()

    def await_turn(self, timeout_s: float) -> bool:
        """Block for real until the thread has yielded; false after the timeout."""
        return self._back.wait(timeout_s)

    def lose(self) -> None:
        """Give up on the thread: it goes on, if it does, without the world."""
        self.is_lost = True
        if hasattr(self._sandbox, "expel"):
            self._sandbox.expel()
        self._go.open()

    @property
    def identity(self) -> Any:
        """The process that it is of."""
        sandbox: Any = self._sandbox
        return sandbox.identity

    @property
    def own_clock(self) -> Any:
        """The clock of its machine, where that is not the world's."""
        return None if self.identity is None else self.identity.clock

    def freeze(self) -> None:
        """Never go on: the process of the thread was killed."""
        self.is_frozen = True
        if self.handle is not None:
            self.handle.cancel()
            self.handle = None

    def ident_at_end(self) -> int:
        """Return the real identifier; 0 as long as the real thread has not come to its end."""
        return self.ident if self.has_ended else 0

    def let_end(self) -> None:
        """Let the real thread below a frozen one end, with none of its code run."""
        self._go.open()

    def outlive(self, heir: Any) -> None:
        """Go on, as steps of another owner: the loop closes, and the process does not end."""
        self.loop = heir
        if self.handle is not None:
            self.handle._loop = heir  # It keeps its place; what is the closed loop's is dropped.

    def _after_turn(self) -> None:
        """Do nothing; a job of the executor sets its future here."""

    def failed(self, error: BaseException | None) -> None:
        """Report that the thread was given up, for an error or by Ctrl-C (None)."""
        if error is not None:
            self.threads.real_work.fail(error)

    # On its own thread ---------------------------------------------------------------------

    def main(self, function: Callable[..., object], /, *args: Any, **kwargs: Any) -> None:
        """Run the thread from its first turn to its end; called on it."""
        self.ident = self.threads.bridge.real_ident()
        self.state = thread_state()
        self._go.wait()
        if self.is_frozen:
            self.has_ended = True
            return
        self._sandbox.__enter__()
        if self.kernel.gate is not None:
            self.threads.bridge.hear_calls(Preemption(self).called)
        try:
            function(*args, **kwargs)
        except BaseException:
            if not self.is_ending:
                raise
        finally:
            if self.is_frozen:
                self.threads.bridge.restore()
            if self.kernel.gate is not None:
                self.threads.bridge.hear_no_calls()
            if self.is_ending:
                self.threads.bridge.forget_thread()
            self._sandbox.__exit__(None, None, None)
            if self.spin is not None:
                self.spin.end()
            self.has_ended = True
            self._back.open()

    def abandon(self) -> None:
        """Forget a thread that could not be started."""
        self.has_ended = True
        self.threads.reap(self)

    def park(self, thing: object, deadline_ns: int = NEVER) -> None:
        """Yield: block until scheduled again, or until a time.

        Raises:
            SystemExit: The loop is closed: the thread is to end.
            BaseException: What a handler of a signal has raised.
        """
        if self.is_lost:  # Nobody would ever let it go on.
            self._end_quietly()
            raise SystemExit
        self.waits_for = thing
        if deadline_ns < NEVER:
            self._set_timer(deadline_ns)
        self.is_parked = True
        self._sandbox.__exit__(None, None, None)
        self._back.open()
        self._go.wait()
        if self.is_frozen:
            self.threads.keep_left(self.threads.bridge.take_locals())
            self._end_quietly()
            self.threads.bridge.unwind(_is_left_alone)
        self.is_parked = False
        if not self.is_lost:
            self._sandbox.__enter__()
        self.waits_for = None
        if self.is_ending or self.is_lost:
            self._end_quietly()
            raise SystemExit
        while self._interrupts:
            self._interrupts.popleft()()
        if self.when_on is not None:
            call, self.when_on = self.when_on, None
            call()

    def interrupt(self, handler: Callable[[], object]) -> None:
        """Call a handler of a signal on the thread, as Python does on a process's main thread.

        Where it waits, that is in the middle of the wait, which goes on afterwards (PEP 475) or
        ends by what the handler raises.
        """
        if self.is_in_turn():
            handler()
            return
        self._interrupts.append(handler)
        if self.waits_for is not None:
            self.schedule()

    def stay_frozen(self) -> None:
        """Yield for good: the calling thread has killed its own process."""
        self.park("nothing")

    def _end_quietly(self) -> None:
        """Hide what ends the thread, and what comes of that, from ``threading.excepthook``.

        Also an error of the code that still runs then, a ``finally`` of the program's: at the end
        of a process, which ends its threads where they are, there would be none.
        """
        thread: Any = getattr(self.function, "__self__", None)
        if hasattr(thread, "_invoke_excepthook"):
            thread._invoke_excepthook = _tell_nobody

    def _set_timer(self, when_ns: int) -> None:
        if self.handle is not None:
            self.handle.cancel()
        self.handle = handle = TimerHandle(when_ns, self, (), self._context, self.loop)
        self.threads.asleep[self] = when_ns
        self.kernel.wheel.add(handle)

    def sleep(self, duration_ns: int) -> None:
        """Do what ``time.sleep`` does, in virtual time by the clock of its machine."""
        if duration_ns == 0:
            self.schedule()
            self.park("its turn")
            return
        due_ns = self.clock.now_ns + duration_ns
        while self.kernel.now_ns < (deadline_ns := self.clock.true_ns(due_ns)):
            self.park("a sleep", deadline_ns)

    def is_in_turn(self) -> bool:
        """Return whether it has the turn."""
        return self.threads.current is self

    def waiter(
        self, thing: object, timeout_ns: int | None, *, is_true: bool = False
    ) -> SimThreadWaiter:
        """Prepare a wait."""
        return SimThreadWaiter(self, thing, timeout_ns, is_true=is_true)

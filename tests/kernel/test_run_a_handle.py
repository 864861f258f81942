"""Running a handle is spelt five times, for speed: one table holds the copies equal.

The rule is ``Handle._run``; the plain turn (``Kernel._turns``), the turn for one observer
(``turns_with_sole_observer``), that of several loops (``turns_of_many_loops``) and the one of an
explored run (``DisturbedKernel._turns``) have it spelt out.
"""

from __future__ import annotations

import asyncio
import contextvars

import pytest

from simloop._kernel import (
    DebugHandle,
    DebugThreadSafeHandle,
    DebugTimerHandle,
    Handle,
    Kernel,
    ThreadSafeHandle,
    TimerHandle,
)
from simloop._kernel.disturbed_kernel import DisturbedKernel
from simloop._kernel.gate import ChoiceGate


class Loop:
    """A loop that keeps what is reported to it."""

    _stopping = False
    _stash = None

    def __init__(self, kernel: Kernel) -> None:
        self._wheel = kernel.wheel
        self.reports: list[dict[str, object]] = []
        kernel.attach()

    def _takes_exit(self, error: BaseException) -> bool:
        return False

    def _step_into(self) -> None:
        """Run."""

    def _step_took(self, handle: object, elapsed_ns: int) -> None:
        """Nothing takes time here."""

    def call_exception_handler(self, context: dict[str, object]) -> None:
        self.reports.append(context)


class Watcher:
    """An observer."""

    def step(self, now_ns: int, handle: object) -> None:
        """Hear of a step."""


class Follower(Watcher):
    """An observer of ends."""

    def stepped(self, now_ns: int, handle: object) -> None:
        """Hear of the end."""


class Zero:
    """What answers nothing."""

    def answer(self, kind: str, thing: object, options: int) -> int:
        return 0


def turns(kernel: Kernel) -> None:
    kernel.run_until(1)


def single_steps(kernel: Kernel) -> None:
    while kernel.step():
        pass
    kernel.run_until(1)


# How a kernel comes to run a handle in one way or the other.
WAYS = {
    "a plain turn": (lambda _: None, turns),
    "the turn for one observer": (lambda kernel: kernel.observe(Watcher()), turns),
    "several observers": (lambda kernel: [kernel.observe(Watcher()) for _ in range(2)], turns),
    "an observer of ends": (lambda kernel: kernel.observe(Follower()), turns),
    "a disturbed turn": (lambda _: None, turns),
    "a disturbed turn with an observer": (lambda kernel: kernel.observe(Watcher()), turns),
    "debug mode": (lambda kernel: kernel.measure(enabled=True), turns),
    "two loops": (lambda kernel: kernel.attach(), turns),
    "two loops and an observer": (
        lambda kernel: [kernel.attach(), kernel.observe(Watcher())],
        turns,
    ),
    "single steps": (lambda _: None, single_steps),
}


def new_kernel(way: str) -> Kernel:
    """Return a kernel of the class that the way is a way of."""
    return DisturbedKernel(0, 0, ChoiceGate(Zero(), ())) if "disturbed" in way else Kernel()


KINDS = (
    Handle,
    DebugHandle,
    ThreadSafeHandle,
    DebugThreadSafeHandle,
    TimerHandle,
    DebugTimerHandle,
)
VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("VARIABLE", default="the caller's")


async def coroutine() -> None:
    """Never run."""


def fail(handle: Handle, error: BaseException, *, first_cancel: bool = False) -> None:
    if first_cancel:
        handle.cancel()
    raise error


# What a callback does -> the error that is reported, the error that leaves the kernel, steps.
CASES = {
    "returns nothing": (lambda _: None, None, None, 1),
    "returns something": (lambda _: "something", None, None, 1),
    "returns a coroutine": (lambda _: coroutine(), TypeError, None, 1),
    "cancels itself": (lambda handle: handle.cancel(), None, None, 1),
    "is cancelled before": (None, None, None, 0),
    "fails": (lambda handle: fail(handle, ZeroDivisionError()), ZeroDivisionError, None, 1),
    "cancels itself and fails": (
        lambda handle: fail(handle, ZeroDivisionError(), first_cancel=True),
        ZeroDivisionError,
        None,
        1,
    ),
    "is told of a cancellation": (
        lambda handle: fail(handle, asyncio.CancelledError()),
        asyncio.CancelledError,
        None,
        1,
    ),
    "leaves as a generator": (
        lambda handle: fail(handle, GeneratorExit()),
        GeneratorExit,
        None,
        1,
    ),
    "exits": (lambda handle: fail(handle, SystemExit()), None, SystemExit, 1),
    "is interrupted": (
        lambda handle: fail(handle, KeyboardInterrupt()),
        None,
        KeyboardInterrupt,
        1,
    ),
}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__qualname__)
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("way", WAYS)
def test_every_copy_runs_a_handle_alike(way: str, case: str, kind: type) -> None:
    """A handle runs in its context; errors go to the loop, exits to the caller."""
    prepare, drive = WAYS[way]
    deed, reported, raised, steps = CASES[case]
    kernel = new_kernel(way)
    loop = Loop(kernel)
    prepare(kernel)
    context = contextvars.copy_context()
    context.run(VARIABLE.set, "the handle's")
    seen: list[object] = []

    def callback(argument: str) -> object:
        seen.append((argument, VARIABLE.get()))
        return deed(handle)

    deadline = (1,) if issubclass(kind, TimerHandle) else ()
    handle = kind(*deadline, callback, ("argument",), context, loop)
    after = kind(*deadline, seen.append, ("after",), context, loop)
    for each in (handle, after):
        if deadline:
            kernel.wheel.add(each)
        else:
            kernel.ready.append(each)
    if deed is None:
        handle.cancel()

    if raised is not None:
        with pytest.raises(raised):
            drive(kernel)
    drive(kernel)

    assert seen == [("argument", "the handle's")] * steps + ["after"]
    assert [type(each["exception"]) for each in loop.reports] == ([reported] if reported else [])
    assert all(each["handle"] is handle for each in loop.reports)
    is_traced = kind.__qualname__.startswith("Debug")
    assert all(("source_traceback" in each) == is_traced for each in loop.reports)
    assert kernel.steps == steps + 1
    assert VARIABLE.get() == "the caller's"
    kernel.check()


class Held:
    """Tells a list the kernel's time at which it goes."""

    def __init__(self, kernel: Kernel, gone_ns: list[int]) -> None:
        self.kernel = kernel
        self.gone_ns = gone_ns

    def call(self) -> None:
        """Do nothing."""

    def __del__(self) -> None:
        self.gone_ns.append(self.kernel.now_ns)


@pytest.mark.parametrize("way", WAYS)
def test_what_a_callback_held_goes_before_the_clock_jumps(way: str) -> None:
    """A finalizer sees the time of the callback that was the last to hold its object."""
    prepare, drive = WAYS[way]
    kernel = new_kernel(way)
    loop = Loop(kernel)
    prepare(kernel)
    gone_ns: list[int] = []
    context = contextvars.copy_context()
    kernel.ready.append(Handle(Held(kernel, gone_ns).call, (), context, loop))
    kernel.wheel.add(TimerHandle(1, gone_ns.copy, (), context, loop))

    drive(kernel)

    assert kernel.now_ns == 1
    assert gone_ns == [0]

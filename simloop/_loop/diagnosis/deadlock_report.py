"""Who waits for what: the report of a deadlock.

Owns: reading a suspended task. Its chain of coroutines is followed down to the innermost one; the
last frame of the program gives file and line, and the frame of asyncio below it, if there is one,
says which primitive is waited on. Nothing is recorded while the program runs: all this is found
when it is asked for.

Invariants: a report holds no addresses, and lists tasks in the order of their creation.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import linecache
import os
from typing import TYPE_CHECKING, Any

import attrs

from simloop._kernel import seconds
from simloop._kernel.safe_looks import attribute_of, class_name, printable, variables_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import FrameType

    from simloop._loop.world_interface import WorldPort
    from simloop.errors import DeadlockError

__all__ = ["Wait", "explain_deadlock", "waits_of"]

_ASYNCIO = os.path.dirname(asyncio.__file__) + os.sep  # noqa: PTH120 - cheaper to import than pathlib


@attrs.frozen
class Wait:
    """One pending task and what it waits for."""

    task: asyncio.Task[Any]
    waits_for: str
    where: str
    """``file:line in function`` of the program's innermost frame."""
    line: str
    """That line's source text, stripped."""
    since_ns: int | None
    """When the wait began, where that is known."""

    def __str__(self) -> str:
        since = "" if self.since_ns is None else f", since {seconds(self.since_ns)} s"
        source = f"\n      {self.line}" if self.line else ""
        return (
            f"  {_task_name(self.task)} ({_coroutine_name(_asked(self.task, 'get_coro'))})"
            f" waits for {self.waits_for}{since}\n    at {self.where}{source}"
        )


def explain_deadlock(world: WorldPort) -> DeadlockError:
    """Make the error for a world in which nothing can run any more."""
    kernel = world.kernel
    waits = [wait for loop in world.loops for wait in waits_of(pending_tasks(loop))]
    deadline_ns = kernel.wheel.next_ns()
    now = seconds(kernel.now_ns)
    listed = "".join(f"\n\n{wait}" for wait in waits) or "\n\n  no task is pending at all"
    listed += world.threads.describe_threads() + world.describe_hosts()
    if not kernel.autojump and seconds(deadline_ns) != float("inf"):
        return world.threads.deadlock(
            f"nothing is ready at {now} s of virtual time, the next deadline is at"
            f" {seconds(deadline_ns)} s, and autojump is off, so nothing moves the clock;"
            f" call loop.advance(seconds), or set loop.autojump = True.{listed}"
        )
    count = f"{len(waits)} pending task{'' if len(waits) == 1 else 's'}"
    error = world.threads.deadlock(
        f"nothing is ready at {now} s of virtual time and no deadline is left, so nothing can"
        f" ever run again; {count}:{listed}"
    )
    error.places = tuple(wait.where for wait in waits)
    return error


def pending_tasks(loop: asyncio.AbstractEventLoop) -> list[asyncio.Task[Any]]:
    """List the tasks of a loop that are not done, in the order of their creation."""
    return sorted(asyncio.all_tasks(loop), key=_creation)


def _creation(task: asyncio.Task[Any]) -> tuple[int, int, str]:
    """Order tasks by their number: the one in a default name, which counts creations."""
    name = _task_name(task)
    prefix, _, number = name.rpartition("-")
    if prefix == "Task" and number.isdecimal():
        return (0, int(number), name)
    # A number too: see simloop._sandbox.asyncio_.future_hashes.
    return (1, _asked(task, "__hash__") or 0, name)


def waits_of(tasks: Iterable[asyncio.Task[Any]]) -> list[Wait]:
    """Explain each task's wait."""
    tasks = list(tasks)
    return [_wait_or_nothing(task, tasks) for task in tasks]


def _wait_or_nothing(task: asyncio.Task[Any], tasks: list[asyncio.Task[Any]]) -> Wait:
    """Explain a wait, as far as classes of the program's own let themselves be asked."""
    try:
        return _wait_of(task, tasks)
    except BaseException:  # noqa: BLE001 - the report is about something else
        return Wait(
            task, "something whose class raises when it is looked at", _where(None), "", None
        )


def _task_name(task: Any) -> str:
    return printable(str(_asked(task, "get_name")))


def _asked(task: Any, method: str) -> Any:
    """Return what a task's method gives; None where a class of the program's raises."""
    try:
        return getattr(task, method)()
    except BaseException:  # noqa: BLE001 - as above
        return None


def _wait_of(task: asyncio.Task[Any], tasks: list[asyncio.Task[Any]]) -> Wait:
    frames = [frame for _, frame in chain(_asked(task, "get_coro"))]
    own = [frame for frame in frames if not frame.f_code.co_filename.startswith(_ASYNCIO)]
    frame = own[-1] if own else (frames[-1] if frames else None)
    waiter: Any = attribute_of(task, "_fut_waiter")
    since_ns = attribute_of(waiter, "_cancel_message")
    return Wait(
        task=task,
        waits_for=_describe_wait(frames, own, waiter, tasks),
        where=_where(frame),
        line="" if frame is None else _source(frame),
        since_ns=since_ns if isinstance(since_ns, int) else None,
    )


def chain(awaitable: Any) -> Iterator[tuple[Any, FrameType]]:
    """Follow what a coroutine awaits, from the outermost frame to the innermost."""
    while awaitable is not None:
        frame: Any = attribute_of(awaitable, "cr_frame")
        inner: Any = attribute_of(awaitable, "cr_await")
        if frame is not None or inner is not None:
            pass  # A coroutine, or what stands for one.
        elif inspect.isgenerator(awaitable):
            frame, inner = awaitable.gi_frame, awaitable.gi_yieldfrom
        elif inspect.isasyncgen(awaitable):
            frame, inner = awaitable.ag_frame, awaitable.ag_await
        else:
            frame, inner = None, _behind(awaitable)
        if frame is not None:
            yield awaitable, frame
        awaitable = inner


def _behind(awaitable: Any) -> Any:
    """See through the interpreter's step of an asynchronous generator, which shows nothing."""
    if type(awaitable).__name__ not in {"async_generator_asend", "async_generator_athrow"}:
        return None
    return next((each for each in gc.get_referents(awaitable) if inspect.isasyncgen(each)), None)


def _where(frame: FrameType | None) -> str:
    if frame is None:
        return "its start: it has not run yet"
    return f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_qualname}"


def _source(frame: FrameType) -> str:
    return linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip()


def _coroutine_name(coro: Any) -> str:
    name = attribute_of(coro, "__qualname__")
    return name if isinstance(name, str) else class_name(type(coro))


# What each primitive of asyncio is called in a report, by the function that waits in it.
_PRIMITIVES = {
    "sleep": "a sleep of {delay} s",
    "Lock.acquire": "the lock {self}",
    "Event.wait": "the event {self}",
    "Condition.wait": "the condition {self}",
    "Semaphore.acquire": "the semaphore {self}",
    "BoundedSemaphore.acquire": "the semaphore {self}",
    "Barrier.wait": "the barrier {self}",
    "Barrier._wait": "the barrier {self}",
    "Barrier._block": "the barrier {self}",
    "Queue.get": "an item from the queue {self}",
    "Queue.put": "room in the queue {self}",
    "Queue.join": "the queue {self} to be worked off",
    "TaskGroup.__aexit__": "the tasks of a task group: {children}",
    "StreamReader._wait_for_data": "data on a stream (in {func_name})",
    "FlowControlMixin._drain_helper": "a peer that reads what was written",
    "StreamWriter.wait_closed": "a stream to be closed",
    "Server.serve_forever": "the end of a server that serves for ever",
    "Server.wait_closed": "the server's connections to end",
}


def _describe_wait(
    frames: list[FrameType],
    own: list[FrameType],
    waiter: Any,
    tasks: list[asyncio.Task[Any]],
) -> str:
    """Describe what the innermost frames wait for, by primitive where asyncio's own waits."""
    for frame in reversed(frames):
        if not frame.f_code.co_filename.startswith(_ASYNCIO):
            break
        text = _PRIMITIVES.get(frame.f_code.co_qualname)
        if text is not None:
            local = variables_of(frame)
            subject = local.get("self")
            names = {
                "self": _name_of(subject, own),
                "delay": local.get("delay"),
                "func_name": local.get("func_name"),
                "children": _names(getattr(subject, "_tasks", ())),
            }
            return text.format(**names) + _holders(subject, tasks)
    return _describe_future(waiter)


def _describe_future(waiter: Any) -> str:
    """Describe a bare future."""
    if waiter is None:
        return "its turn"
    workers = getattr(waiter.get_loop(), "_workers", None) if asyncio.isfuture(waiter) else None
    if workers is not None and (job := workers.describe(waiter)) is not None:
        return str(job)
    if isinstance(waiter, asyncio.Task):
        return f"the task {_task_name(waiter)} ({_coroutine_name(waiter.get_coro())})"
    children = getattr(waiter, "_children", None)
    if children:
        return f"a gather of {_names(child for child in children if not child.done())}"
    return f"a future ({class_name(type(waiter))}) that nobody has set"


def _names(futures: Iterable[asyncio.Future[Any]]) -> str:
    """List tasks by name, in order of creation; other futures are futures."""
    futures = list(futures)
    tasks = sorted((each for each in futures if isinstance(each, asyncio.Task)), key=_creation)
    others = len(futures) - len(tasks)
    return ", ".join([_task_name(task) for task in tasks] + ["a future"] * others)


def _name_of(subject: Any, own: list[FrameType]) -> str:
    """Name an object as the program's innermost frames do: by a variable or an attribute."""
    kind = type.__dict__["__name__"].__get__(type(subject))
    for frame in reversed(own):
        for name, value in {**frame.f_globals, **variables_of(frame)}.items():
            if value is subject:
                return f"{name!r} ({kind})"
        owner = variables_of(frame).get("self")
        attributes = attribute_of(owner, "__dict__")
        for name, value in attributes.items() if isinstance(attributes, dict) else ():
            if value is subject:
                return f"'self.{name}' ({kind})"
    return f"({kind})"


def _holders(subject: Any, tasks: list[asyncio.Task[Any]]) -> str:
    """Name the tasks that are inside an ``async with`` of the object, if any are."""
    if not hasattr(subject, "__aexit__"):
        return ""
    holders = [_task_name(task) for task in tasks if _holds(task, subject)]
    return f", held by {', '.join(holders)}" if holders else ""


def _holds(task: asyncio.Task[Any], subject: Any) -> bool:
    """Return whether a task is in the body of ``async with subject``, and not just at its door."""
    entered, at_door = 0, False
    for awaitable, frame in chain(task.get_coro()):
        if frame.f_code.co_filename.startswith(_ASYNCIO):
            at_door = at_door or variables_of(frame).get("self") is subject
        else:
            entered += _exits_kept(awaitable, subject)
    return entered > at_door


def _exits_kept(awaitable: Any, subject: Any) -> int:
    """Count the blocks of ``async with subject`` that a coroutine has begun.

    The interpreter keeps the exit of such a block on the coroutine's stack, where the garbage
    collector can see it: as a bound method, or from 3.14 on as function and object side by side.
    """
    leave = type(subject).__aexit__
    held = gc.get_referents(awaitable)
    return sum(
        (inspect.ismethod(each) and each.__func__ is leave and each.__self__ is subject)
        or (each is leave and subject in held[max(index - 1, 0) : index + 2])
        for index, each in enumerate(held)
    )

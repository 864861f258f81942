"""The checks made after each test, and the decorators that choose them.

Owns: ``fail_on`` and its relatives, the table of checks, and the rule which of them run for a test.
It must not know the test case (it only calls ``case.fail`` and reads ``case.loop``), so that any
module can add a check without an import cycle:

- put its name and default into ``DEFAULTS``, and whether ``strict`` turns it on follows from that;
- set a static method of that name on the class ``_fail_on``: it gets the case and fails it;
- if it has to note the state before ``setUp``, add another one named ``before_test_`` + name.

Invariants: a decorated subclass inherits its parent's choices and never changes them; a method's
choices win over those of its class; what was not chosen is as in ``DEFAULTS`` at the time of the
test.
"""

from __future__ import annotations

import functools
import gc
from asyncio import TimerHandle, all_tasks
from typing import TYPE_CHECKING, Any, TypeVar, overload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["fail_on", "lenient", "strict"]

__unittest = True  # unittest leaves frames of modules with this mark out of its reports

F = TypeVar("F")

#: The attribute of a decorated class or function that holds its ``_fail_on``.
_FAIL_ON_ATTR = "_asynctest_fail_on"

#: Each check's name, and whether it runs when nothing was asked for.
#: ``active_selector_callbacks`` is added by the module ``selector``.
DEFAULTS: dict[str, bool] = {
    "unused_loop": False,
    "active_handles": False,
    "unhandled_exceptions": False,
    "pending_tasks": False,
}


class _fail_on:  # noqa: N801  # asynctest's name: suites set their own checks on it
    """The choices of one decorator, and, as static methods, the checks themselves."""

    def __init__(self, checks: Mapping[str, bool] | None = None) -> None:
        self.checks: dict[str, bool] = dict(checks or {})
        # What get_checks answered first; later answers are the same, whatever DEFAULTS becomes.
        self._computed_checks: dict[str, bool] | None = None

    def __repr__(self) -> str:
        return f"fail_on({', '.join(f'{name}={on}' for name, on in self.checks.items())})"

    def __call__(self, func: F) -> F:
        inherited: _fail_on | None = getattr(func, _FAIL_ON_ATTR, None)
        checker = inherited.copy() if inherited else self.copy()
        checker.update(self.checks)
        setattr(func, _FAIL_ON_ATTR, checker)
        return func

    def update(self, checks: Mapping[str, bool], override: bool = True) -> None:  # noqa: FBT001, FBT002  # asynctest's signature
        """Take over ``checks``, those chosen already too unless ``override`` is false."""
        self.checks = {**self.checks, **checks} if override else {**checks, **self.checks}

    def copy(self) -> _fail_on:
        """Return an independent checker with the same choices."""
        return _fail_on(self.checks)

    def get_checks(self, case: Any) -> dict[str, bool]:
        """Return every check with whether it runs for ``case``: method, class, defaults."""
        if self._computed_checks is None:
            of_class: _fail_on | None = getattr(case, _FAIL_ON_ATTR, None)
            chosen = of_class.checks if of_class else {}
            self._computed_checks = {**DEFAULTS, **chosen, **self.checks}
        return self._computed_checks

    def _enabled(self, case: Any) -> Iterator[str]:
        return (name for name, on in self.get_checks(case).items() if on)

    def before_test(self, case: Any) -> None:
        """Call each check that will run to note the state; having nothing to note is fine."""
        for name in self._enabled(case):
            note = getattr(self, f"before_test_{name}", None)
            if callable(note):
                note(case)

    def check_test(self, case: Any) -> None:
        """Run the checks; what they find fails the test, all of it in one error."""
        failures: list[AssertionError] = []
        for name in self._enabled(case):
            try:
                getattr(self, name)(case)
            except AssertionError as failure:
                failures.append(failure)
        if len(failures) > 1:
            raise AssertionError("\n".join(map(str, failures)))
        if failures:
            raise failures[0]

    # The checks.

    @staticmethod
    def unused_loop(case: Any) -> None:
        if not case.loop._asynctest_ran:
            case.fail("Loop did not run during the test")

    @staticmethod
    def before_test_active_handles(case: Any) -> None:
        if not _scheduled_is_kept(case.loop):
            _record_timers(case.loop)

    @staticmethod
    def active_handles(case: Any) -> None:
        if _scheduled_is_kept(case.loop):
            known = [h for h in case.loop._scheduled if isinstance(h, TimerHandle)]
        else:
            known = [h for entry in getattr(case.loop, "_asynctest_timers", ()) for h in entry]
        # A loop's timer handles need not be asyncio's: uvloop has its own.
        handles = tuple(h for h in known if not h.cancelled())
        if handles:
            case.fail(f"Loop contained unfinished work {handles!r}")

    @staticmethod
    def before_test_unhandled_exceptions(case: Any) -> None:
        contexts: list[dict[str, Any]] = []
        previous = case.loop.get_exception_handler()

        def note(loop: Any, context: dict[str, Any]) -> None:
            contexts.append(context)
            if previous is None:
                loop.default_exception_handler(context)
            else:
                previous(loop, context)

        case._asynctest_unhandled = contexts, previous
        case.loop.set_exception_handler(note)

    @staticmethod
    def unhandled_exceptions(case: Any) -> None:
        gc.collect()  # a failed task that nobody awaited reports itself when it goes
        contexts, previous = case._asynctest_unhandled
        case.loop.set_exception_handler(previous)
        lines = [_format_context(context) for context in contexts]
        if lines:
            lines.insert(0, "some exceptions of the test reached nobody but the loop:")
            case.fail("\n - ".join(lines))

    @staticmethod
    def before_test_pending_tasks(case: Any) -> None:
        case._asynctest_known_tasks = list(all_tasks(case.loop))

    @staticmethod
    def pending_tasks(case: Any) -> None:
        known = getattr(case, "_asynctest_known_tasks", ())
        pending = sorted(
            (task for task in all_tasks(case.loop) if task not in known),
            key=lambda task: (len(task.get_name()), task.get_name()),
        )
        if pending:
            lines = ["some tasks were still pending at the end of the test:"]
            lines += [_format_task(task) for task in pending]
            case.fail("\n - ".join(lines))


def _scheduled_is_kept(loop: Any) -> bool:
    """Return whether ``loop`` lists its timers as asyncio's own loops do."""
    return isinstance(getattr(loop, "_scheduled", None), list)


def _record_timers(loop: Any) -> None:
    """Note each timer that will be set on a loop that does not list them (uvloop)."""
    if hasattr(loop, "_asynctest_timers"):
        loop._asynctest_timers.clear()
        return
    # One entry for each timer: its handle, or nothing any more once it has run. The loop's clock
    # would not do to tell these apart: it may show a little less than the time that was due.
    entries: list[list[TimerHandle]] = []

    def recording(schedule: Callable[..., TimerHandle]) -> Callable[..., TimerHandle]:
        def wrapper(when: float, callback: Any, *args: Any, **kwargs: Any) -> TimerHandle:
            entry: list[TimerHandle] = []

            def run(*args: Any) -> None:
                entry.clear()
                callback(*args)

            shown = functools.update_wrapper(run, callback, updated=())
            entry.append(schedule(when, shown, *args, **kwargs))
            if not entries or entries[-1] != entry:  # call_later may well use call_at
                entries.append(entry)
            return entry[0]

        return wrapper

    loop.call_at = recording(loop.call_at)
    loop.call_later = recording(loop.call_later)
    loop._asynctest_timers = entries


def _format_context(context: Mapping[str, Any]) -> str:
    error = context.get("exception")
    origin = next((context[k] for k in ("task", "future", "handle") if k in context), None)
    parts = [str(context.get("message", "no message"))]
    if error is not None:
        parts.append(f"{type(error).__name__}: {error}")
    if origin is not None:
        parts.append(f"from {origin!r}")
    return "; ".join(parts)


def _format_task(task: Any) -> str:
    frames = task.get_stack(limit=1)
    where = f" at {frames[-1].f_code.co_filename}:{frames[-1].f_lineno}" if frames else ""
    return f"{task.get_name()}: {task.get_coro()!r}{where}"


def fail_on(**checks: bool) -> _fail_on:
    """Choose what is checked once a test method has run.

    Decorates a class or a test method. A method's choices win over its class's, a subclass inherits
    those of its parents.

    - ``unused_loop`` (off): the loop ran during the test. A coroutine test always passes.
    - ``active_selector_callbacks`` (on): what the test registered by ``add_reader`` and
      ``add_writer`` has been removed. Transports and servers may be left, for cleanups to close.
    - ``active_handles`` (off): no timer is left on the loop.
    - ``unhandled_exceptions`` (off): no exception ended in the loop's exception handler.
    - ``pending_tasks`` (off): no task that the test began is unfinished.

    Raises:
        TypeError: There is no check of that name.

    """
    for name in checks:
        if name not in DEFAULTS:
            known = ", ".join(DEFAULTS)
            raise TypeError(
                f"fail_on() got an unexpected keyword argument {name!r}; the checks are: {known}"
            )
    return _fail_on(checks)


def _all(on: bool, func: F | None) -> Any:  # noqa: FBT001  # private, and reads well at both calls
    checker = _fail_on(dict.fromkeys(DEFAULTS, on))
    return checker if func is None else checker(func)


@overload
def strict(func: None = None) -> _fail_on: ...
@overload
def strict(func: F) -> F: ...
def strict(func: Any = None) -> Any:
    """Turn all checks on, those too that later versions add. Decorates a class or a method."""
    return _all(True, func)


@overload
def lenient(func: None = None) -> _fail_on: ...
@overload
def lenient(func: F) -> F: ...
def lenient(func: Any = None) -> Any:
    """Turn all checks off. Decorates a class or a method."""
    return _all(False, func)

"""``virtual_time``: an async function as a plain one, for test frameworks that know no async.

Owns: the decorator. What a run is stands in :func:`simloop.run`, what an exploration is in
:func:`simloop.explore`.
"""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, overload

from simloop.errors import UsageError

from ._life import TestRun, options_of
from ._many_runs.asked_exploration import EXPLORING, explore_test, separated

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from simloop.world.run_options import RunOptions

    from ._many_runs.asked_exploration import Asked

__all__ = ["virtual_time"]

_P = ParamSpec("_P")
_T = TypeVar("_T")


@overload
def virtual_time(function: Callable[_P, Coroutine[Any, Any, _T]], /) -> Callable[_P, _T]: ...


@overload
def virtual_time(
    **options: Any,
) -> Callable[[Callable[_P, Coroutine[Any, Any, _T]]], Callable[_P, _T]]: ...


def virtual_time(function: Any = None, /, **options: Any) -> Any:
    """Make a plain function of an async one: each call runs it in a new world, in virtual time.

    An error that leaves the function carries a note with the seed and the virtual time, or, of one
    that is explored, with its explanation.

    Args:
        function: A coroutine function, for instance a test of any framework.
        **options: What :func:`simloop.run` takes: ``seed``, ``start_time``, ``max_time``, ...; and
            what explores: ``explore`` (how many schedules each call runs), ``seconds``,
            ``strategy``, ``delays`` and ``failures``, as for :func:`simloop.explore`, or
            ``replay``, the token or file of the one schedule to run.

    Raises:
        UsageError: It is no coroutine function, or an option is not known.

    Example:
        >>> import asyncio
        >>> from simloop.testing import virtual_time
        >>> @virtual_time(start_time=60)
        ... async def an_hour_later():
        ...     await asyncio.sleep(3600)
        ...     return asyncio.get_running_loop().time()
        >>> an_hour_later()
        3660.0
    """
    asked, of_run = separated("virtual_time()", options)
    chosen = options_of("virtual_time()", of_run, further=EXPLORING)

    def decorate(decorated: Any) -> Any:
        if hasattr(decorated, "hypothesis"):
            name = decorated.hypothesis.inner_test.__qualname__
            raise UsageError(
                f"virtual_time stands above Hypothesis's @given on {name}: write @given above"
                " @virtual_time, so that each example is a run"
            )
        if not inspect.iscoroutinefunction(decorated):
            raise UsageError(f"virtual_time decorates an async function, not {decorated!r}")
        made = _once(decorated, chosen) if asked is None else _explored(decorated, asked, of_run)
        made.is_in_virtual_time = True  # For our plugin.
        return made

    return decorate if function is None else decorate(function)


def _explored(
    function: Callable[..., Coroutine[Any, Any, Any]], asked: Asked, options: Mapping[str, Any]
) -> Any:
    line = '@virtual_time(replay="{token}")'

    @functools.wraps(function)
    def explore_in_virtual_time(*args: Any, **kwargs: Any) -> None:
        __tracebackhide__ = True
        main = functools.partial(function, *args, **kwargs)
        name = f"{function.__module__}:{function.__qualname__}"
        explore_test(main, asked, options, name=name, replay_line=line)

    return explore_in_virtual_time


def _once(function: Callable[..., Coroutine[Any, Any, _T]], options: RunOptions) -> Any:
    @functools.wraps(function)
    def in_virtual_time(*args: Any, **kwargs: Any) -> _T:
        __tracebackhide__ = True
        life = TestRun(options)
        try:
            value = life.run(function(*args, **kwargs))
            life.finish()
        except BaseException as error:
            error.add_note(f"simloop: {life}")
            raise
        else:
            return value
        finally:
            life.close()

    return in_virtual_time

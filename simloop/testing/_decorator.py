"""``virtual_time``: an async function as a plain one, for test frameworks that know no async.

Owns: the decorator. What a run is stands in :func:`simloop.run`.
"""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, overload

from simloop.errors import UsageError

from ._life import TestRun, options_of

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from simloop.world.run_options import RunOptions

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

    An error that leaves the function carries a note with the seed and the virtual time.

    Args:
        function: A coroutine function, for instance a test of any framework.
        **options: What :func:`simloop.run` takes: ``seed``, ``start_time``, ``max_time``, ...

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
    chosen = options_of("virtual_time()", options)
    if function is None:
        return functools.partial(_decorate, options=chosen)
    return _decorate(function, options=chosen)


def _decorate(function: Callable[..., Coroutine[Any, Any, _T]], options: RunOptions) -> Any:
    if not inspect.iscoroutinefunction(function):
        raise UsageError(f"virtual_time decorates an async function, not {function!r}")

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

    in_virtual_time.is_in_virtual_time = True  # type: ignore[attr-defined]  # for our plugin
    return in_virtual_time

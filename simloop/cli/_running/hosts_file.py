"""The machines of a run of the command: a function of the user's that adds them.

Owns: finding that function and calling it with the world, before the program begins and inside its
run. Must not know what machines are.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from simloop.cli._program import NoProgramError, import_target

if TYPE_CHECKING:
    from collections.abc import Callable

    from simloop.world.world import World

__all__ = ["ADDS_HOSTS", "with_hosts"]

ADDS_HOSTS = "hosts"
"""The function that is called where none is named."""


def with_hosts(
    target: str, world: World, run: Callable[[Callable[[], bool]], Any]
) -> Callable[[Callable[[], bool]], Any]:
    """Return what adds the machines and then runs the program."""

    def run_among_hosts(has_made_loop: Callable[[], bool]) -> Any:
        _hosts_function(target)(world)
        return run(has_made_loop)

    return run_among_hosts


def _hosts_function(target: str) -> Callable[[World], object]:
    """Import what ``FILE.py``, ``MODULE`` or either with ``:FUNCTION`` names; return the function.

    Raises:
        NoProgramError: There is none, or it can't be called with a world.
    """
    where, name, value = import_target(target, ADDS_HOSTS)
    told = f"--hosts: {name!r} in {where}"
    if not callable(value):
        raise NoProgramError(f"{told} is {type(value).__name__!r}; write: def {name}(world)")
    if inspect.iscoroutinefunction(inspect.unwrap(value)):
        raise NoProgramError(f"{told} is a coroutine function, and no loop runs yet: make it plain")
    try:
        inspect.signature(value).bind(None)
    except TypeError as error:
        raise NoProgramError(f"{told} can't be called with a world: {error}") from None
    except ValueError:
        pass  # Some built-in functions don't tell their arguments.
    return value  # type: ignore[no-any-return]  # looked at above

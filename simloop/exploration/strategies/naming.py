"""The names of strategies, as ``explore`` takes them.

Owns: the table of names and the errors for what is none. Must not know what they do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simloop.errors import UsageError

from .guarded import Guarded
from .permuting import DelayBounded, Dfs, Pct, Pos, Surw
from .portfolio import Portfolio
from .single import RandomAnswers, Single
from .strategy import Strategy, Undisturbed
from .timing import Timing

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["strategy_of"]

_FIXED: dict[str, Callable[[bool], Strategy]] = {
    "timing": lambda sleeps: Timing(sleeps=sleeps),
    "single": lambda sleeps: Single(sleeps=sleeps),
    "random": lambda sleeps: RandomAnswers(sleeps=sleeps),
    "undisturbed": lambda _: Undisturbed(),
    "pos": lambda _: Pos(),
    "surw": lambda _: Surw(),
}

# With a number behind a colon; its least value, and what stands for none, which may be refused.
_NUMBERED: dict[str, tuple[Callable[[Any], Strategy], int, Any]] = {
    "pct": (Pct, 1, 3),
    "delay": (DelayBounded, 0, ...),
    "dfs": (Dfs, 0, None),
}

_KNOWN = "timing, single, random, undisturbed, pct[:depth], pos, surw, delay:n, dfs[:bound]"


def strategy_of(strategy: Any, *, sleeps: bool) -> Strategy:
    """Return the strategy that a value names: a word, a list of words, or an object.

    Raises:
        UsageError: It names none.

    Example:
        >>> strategy_of("pct:5", sleeps=False).name
        'pct:5'
    """
    if isinstance(strategy, str):
        return _of_word(strategy, sleeps=sleeps)
    if isinstance(strategy, list | tuple):
        if not strategy:
            raise UsageError("strategy=[]: a portfolio needs a strategy; the default is 'timing'")
        return Portfolio([strategy_of(each, sleeps=sleeps) for each in strategy])
    if isinstance(strategy, Strategy):
        is_ours = type(strategy).__module__.startswith(f"{__package__}.")
        return strategy if is_ours else Guarded(strategy)
    raise UsageError(
        f"strategy={strategy!r}; it takes a name ({_KNOWN}), a list of them, or an instance of a"
        " class that inherits simloop.Strategy"
    )


def _of_word(word: str, *, sleeps: bool) -> Strategy:
    name, colon, text = word.partition(":")
    if name in _FIXED and not colon:
        return _FIXED[name](sleeps)
    if name in _NUMBERED:
        make, least, default = _NUMBERED[name]
        if not colon and default is not ...:
            return make(default)
        if text.isdecimal() and int(text) >= least:
            return make(int(text))
        raise UsageError(
            f"strategy={word!r}: behind the colon stands a whole number from {least} on, such as"
            f" {name}:{max(least, 2)}"
        )
    raise UsageError(f"strategy={word!r}: there is no such strategy; there are {_KNOWN}")

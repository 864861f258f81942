"""Which loop a test gets, and the event loop policy that is in force while it runs.

Owns: the choice of a loop for a whole suite, and ``InForce``, which makes a loop the current one
and puts everything back. It must not know test cases.

Invariants:

- ``asyncio.new_event_loop`` is asked for each loop, so that a test may patch it; a policy of ours
  answers it with the loop that was chosen.
- While a loop is in force, ``asyncio.get_event_loop()`` gives it and the outer policy is not asked.
  Afterwards the outer policy is back, with the default loop that it had, unless a test called
  ``asyncio.set_event_loop`` meanwhile: that stays.
"""

from __future__ import annotations

import asyncio
import asyncio.events
import functools
import inspect
import pkgutil
import warnings
from typing import TYPE_CHECKING, Any

import simloop

if TYPE_CHECKING:
    from collections.abc import Callable

    LoopFactory = Callable[[], Any]

# Policies are deprecated since Python 3.14, where these go by private names without a warning.
_events: Any = asyncio.events
_AbstractPolicy: Any = getattr(_events, "_AbstractEventLoopPolicy", None) or (
    _events.AbstractEventLoopPolicy
)
get_policy: Callable[[], Any] = getattr(_events, "_get_event_loop_policy", None) or (
    _events.get_event_loop_policy
)
set_policy: Callable[[Any], None] = getattr(_events, "_set_event_loop_policy", None) or (
    _events.set_event_loop_policy
)

# None means: what the outer policy makes.
_suite_factory: LoopFactory | None = simloop.SimLoop


def choose_loop(choice: str | LoopFactory) -> None:
    """Choose the loop of every test that has no ``loop_factory`` of its own.

    Args:
        choice: ``"virtual"`` (a SimLoop, which it is without a choice), ``"stock"`` (what asyncio's
            policy makes: real time, real sockets, real programs), any other factory, or its name
            as ``"module:name"``.

    """
    global _suite_factory  # noqa: PLW0603  # the one setting of a whole run
    _suite_factory = _factory(choice)


def _factory(choice: str | LoopFactory) -> LoopFactory | None:
    if choice == "virtual":
        return simloop.SimLoop
    if choice == "stock":
        return None
    if isinstance(choice, str) and ":" in choice:
        try:
            choice = pkgutil.resolve_name(choice)
        except (ImportError, AttributeError, ValueError) as error:
            raise ValueError(f"no loop factory at {choice!r}: {error}") from error
    if callable(choice):
        return choice
    raise ValueError(
        f"unknown loop {choice!r}: give 'virtual', 'stock', a factory or 'module:factory'"
    )


def factory_of(case: Any) -> LoopFactory | None:
    """Return the factory of a test case, or class, that has one."""
    static = inspect.getattr_static(case, "loop_factory", None)
    if isinstance(static, functools.partial):  # a method from Python 3.14 on
        return static
    factory = getattr(case, "loop_factory", None)
    if inspect.ismethod(factory) and factory.__self__ is case:
        # A function written in the class body, bound although it takes no self.
        function = factory.__func__
        if not inspect.signature(function).parameters:
            return function
    return factory


def default_loop() -> Any:
    """Return the current default loop; where Python makes none by itself any more, make one."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            return get_policy().get_event_loop()
    except RuntimeError:  # Python 3.14
        loop = (_suite_factory or get_policy().new_event_loop)()
        get_policy().set_event_loop(loop)
        return loop


class Policy(_AbstractPolicy):  # type: ignore[misc]  # a base class by another name on each Python
    """The policy of a test: its loop, and new loops of the kind that was chosen for it."""

    def __init__(
        self, outer: Any, factory: LoopFactory | None, *, owner: str, forbidden: bool
    ) -> None:
        self.original_policy = outer
        self.forbid_get_event_loop = forbidden
        self.loop: Any = None
        self._factory = factory
        self._owner = owner
        self._made = 0  # Simulated loops.

    def get_event_loop(self) -> Any:
        """Return the test's loop, or whatever was set since."""
        if self.forbid_get_event_loop:
            raise AssertionError(
                "TestCase.forbid_get_event_loop is True, asyncio.get_event_loop() must not be"
                " called"
            )
        return self.original_policy.get_event_loop() if self.loop is None else self.loop

    def set_event_loop(self, loop: Any) -> None:
        """Set the default loop, here and in the outer policy, for good."""
        self.original_policy.set_event_loop(loop)
        self.loop = loop

    def new_event_loop(self) -> Any:
        """Make a loop of the kind that was chosen.

        A simulated one has a seed of its owner's own, so that no two tests draw the same
        identifiers, and a test alone draws those that it draws in its suite.
        """
        if self._factory is simloop.SimLoop:
            self._made += 1
            return simloop.SimLoop(seed=f"{self._owner}/{self._made}")
        return (self._factory or self.original_policy.new_event_loop)()

    def get_child_watcher(self) -> Any:
        """Return the outer policy's, made to watch for the test's loop (Python 3.11 to 3.13)."""
        watcher = self.original_policy.get_child_watcher()
        if self.loop is not None:
            watcher.attach_loop(self.loop)
        return watcher

    def set_child_watcher(self, watcher: Any) -> None:
        """Set the outer policy's."""
        self.original_policy.set_child_watcher(watcher)


class InForce:
    """A policy of ours in force, from ``begin`` to ``end``.

    Args:
        factory: What makes loops; that of the suite if None.
        owner: The test or class whose loops they are, by its id.
        forbidden: Whether to ask for the current loop is an error.

    """

    def __init__(self, factory: LoopFactory | None, owner: str, *, forbidden: bool = False) -> None:
        chosen = factory or _suite_factory
        self.policy = Policy(get_policy(), chosen, owner=owner, forbidden=forbidden)

    def begin(self, loop: Any = None) -> Any:
        """Put the policy in force, with ``loop`` or a new loop; return the loop."""
        set_policy(self.policy)
        try:
            self.policy.loop = asyncio.new_event_loop() if loop is None else loop
        except BaseException:
            self.end()
            raise
        return self.policy.loop

    def end(self) -> None:
        """Put the outer policy back."""
        set_policy(self.policy.original_policy)

"""The generator behind the functions of ``random``: whose it is, when several threads use it.

Programs hold the module's functions by reference, and these belong to one hidden generator. While
one thread is all there is, the generator changes hands: its state, a piece of memory, is the run's
during the run and the process's own after it, and drawing costs what it costs outside.

Most short runs draw nothing, and to make a state and exchange it takes as long as ten steps of such
a run. So a run that begins alone begins *untouched*: the hidden generator keeps the process's state
and is of a class that makes the run's, and puts it in place, when anything is asked of it. Only the
builtins that are bound to it go past its class, and two of these are redirected meanwhile. Whether
somebody holds others (``draw = random._inst.random``) shows in how often it is referred to; then
the state is put in place at once. (``random.Random.random(random._inst)``, a method in C called
past the object, is the one way by which a run that has asked for nothing would draw from the
process. To close it would cost each draw of every generator; no program is known that goes it.)

That is not enough where other threads draw meanwhile, be it in a run of their own or outside of
any. So in a process of several threads the hidden generator draws for each from a generator of its
own: of the run that the thread is in, or of the process. It becomes an object of a class that does
so, for as long as runs are on.

Owns: the hidden generator, and the list of runs that are on.

Must not know: how a state is made from a seed; what else changes hands.

Invariants:

- A run draws the same numbers either way.
- When the last run has left, the hidden generator is what it was, in the state in which those
  outside of runs have left it.
- Untouched it is for one run, none of whose processes has a state yet and which is the only one
  that is on, or for none between the runs of a sealed process.
"""

from __future__ import annotations

import _random
import os
import random
import threading
from sys import getrefcount
from typing import TYPE_CHECKING, Any

from simloop._sandbox.patching.c_functions import Redirect
from simloop._sandbox.patching.memory import HEAD_SIZE, MemoryPatch, memory
from simloop._sandbox.patching.registry import patch, rewrite
from simloop._sandbox.run_context import by_thread, get_ident

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Drawer", "enter", "first_state", "is_drawing", "leave", "own", "switch"]

_STATE_BYTES = _random.Random.__basicsize__ - HEAD_SIZE
_hidden: Any = random._inst


def state_of(generator: random.Random) -> bytes:
    """Return the state of a generator, as memory has it."""
    return bytes(memory(generator, HEAD_SIZE, _STATE_BYTES))


def first_state(begin: Callable[[random.Random], object]) -> bytes:
    """Return the state into which a function puts a generator. One thread at a time may ask."""
    begin(_scratch)
    return _scratch_state.tobytes()


class Drawer:
    """Who draws: a run, or everybody outside of runs. Keeps a state while it is not in place.

    Args:
        begin: Makes the state to begin with, when that is needed first.
    """

    __slots__ = ("_begin", "_state", "gauss", "generator")

    def __init__(self, begin: Callable[[], bytes]) -> None:
        self._begin = begin
        self._state: bytes | None = None
        self.gauss: float | None = None
        self.generator: Any = None
        """Its own, while each has one."""

    @property
    def has_begun(self) -> bool:
        """Whether it has a state yet."""
        return self._state is not None

    @property
    def state(self) -> bytes:
        """The state, while it is not in place."""
        state = self._state
        if state is None:
            state = self._state = self._begin()
        return state

    def store(self) -> None:
        """Take the state from where it is: the own generator, or the hidden one."""
        if self.generator is None:
            self._state = bytes(_in_place)
            self.gauss = _hidden.__dict__["gauss_next"]
            return
        self._state = state_of(self.generator)
        self.gauss = self.generator.__dict__["gauss_next"]
        self.generator = None

    def place(self) -> None:
        """Put the state into the hidden generator."""
        _in_place[:] = self.state
        _hidden.__dict__["gauss_next"] = self.gauss

    def settle(self) -> None:
        """Have a generator of its own from now on."""
        if self.generator is not None:
            return
        self.generator = made = _new(random.Random)
        made.__dict__["gauss_next"] = self.gauss
        memory(made, HEAD_SIZE, _STATE_BYTES)[:] = self.state


_in_place = memory(_hidden, HEAD_SIZE, _STATE_BYTES)
_Random = random.Random
_new = _Random.__new__
# One for all runs: to make a generator and to find its memory costs as much as to seed it.
_scratch = random.Random()  # noqa: S311 - seeded before each use
_scratch_state = memory(_scratch, HEAD_SIZE, _STATE_BYTES)
_process = Drawer(lambda: bytes(_in_place))
_entered: list[Drawer] = []
"""The runs that are on, in whatever thread, in the order in which they began."""


def _mine() -> Any:
    """Return the generator that the calling thread draws from, where it is not the hidden one."""
    if type(_hidden) is _Untouched:
        _touch()
        return _hidden
    seat = by_thread.get(get_ident())
    own = None if seat is None else seat.entropy.drawer.generator
    return _process.generator if own is None else own


def enter(drawer: Drawer) -> None:
    """Let a run draw, by the calling thread. One thread at a time may enter or leave."""
    # Refused: a generator of its own for each run, always. That is one rule in place of three
    # cases, but every draw would be redirected; so the usual case, one thread, draws as ever.
    is_alone = len(threading._active) == 1  # type: ignore[attr-defined]
    if is_alone and not (_entered or drawer.has_begun) and getrefcount(_hidden) == _HOLDERS:
        _entered.append(drawer)  # Before: a signal's handler may ask something of it.
        if type(_hidden) is not _Untouched:
            _leave_untouched()
        return
    if type(_hidden) is _Untouched:
        _touch()
    if _is_shared():
        drawer.settle()
    elif _entered or is_alone:
        # Nested on this thread: the outer run's state waits, this one's is put in place.
        if _entered and get_ident() not in by_thread:  # A second thread.
            _share()
            drawer.settle()
        else:
            (_entered[-1] if _entered else _process).store()
            drawer.place()
    else:  # Other threads of the process may draw at any moment: nothing may change hands.
        _process.store()
        _share()
        drawer.settle()
    _entered.append(drawer)


def switch(before: Drawer, drawer: Drawer) -> None:
    """Let one process of a run draw in place of another one, by the thread that runs both.

    Raises:
        ValueError: The first one does not draw.
    """
    kind = type(_hidden)
    if kind is _Untouched:  # For one run: nobody has drawn, in none of its processes.
        _entered[-1] = drawer
        return
    if kind is _Random and _entered[-1] is before and before.generator is None:
        # What the lines below come to, for the most common case.
        attributes = _hidden.__dict__
        before._state, before.gauss = _in_place.tobytes(), attributes["gauss_next"]
        _in_place[:] = drawer._state or drawer.state  # A property costs a call.
        attributes["gauss_next"] = drawer.gauss
        _entered[-1] = drawer
        return
    at = max(at for at, each in enumerate(_entered) if each is before)
    is_in_place = at == len(_entered) - 1 and not _is_shared()
    if is_in_place:
        before.store()
    _entered[at] = drawer
    if is_in_place:
        drawer.place()
    elif _is_shared():
        drawer.settle()


def is_drawing(drawer: Drawer) -> bool:
    """Return whether this is one of the runs that are on."""
    return any(each is drawer for each in _entered)


def leave(drawer: Drawer) -> None:
    """Let a run draw no more."""
    if type(_hidden) is _Untouched:
        _entered.pop()
        return
    drawer.store()
    if _entered[-1] is drawer:
        _entered.pop()
    else:
        del _entered[max(at for at, each in enumerate(_entered) if each is drawer)]
    if not _is_shared():
        (_entered[-1] if _entered else _process).place()
    elif not _entered:
        _unshare()
    elif any(each is drawer for each in _entered):
        drawer.settle()  # It is on further out, too.


def _is_shared() -> bool:
    return type(_hidden) is _Shared


def _share() -> None:
    """Give each a generator of its own; the last to have entered is in place."""
    if _entered:
        _entered[-1].store()
    for each in (_process, *_entered):
        each.settle()
    _hidden.__class__ = _Shared
    _redirects.on()


def _unshare() -> None:
    """Give the hidden generator back to the process, which is alone again."""
    _be_plain()
    _process.store()
    _process.place()


def _be_plain() -> None:
    """Let the hidden generator draw for itself."""
    _redirects.off()
    _set_class(_hidden, "__class__", _Random)


def _leave_untouched() -> None:
    """Let the process's state stay in place until something is asked of the hidden generator."""
    _hidden.__class__ = _Untouched
    _redirects.on()


class _Plain:
    """The hidden generator as it is where no run is, nor the process sealed for one."""

    def on(self) -> None:
        """Leave it as it is until a run begins."""

    def off(self) -> None:
        """Leave nothing untouched behind."""
        if type(_hidden) is _Untouched:
            _be_plain()


patch(_Plain())


def _touch() -> None:
    """Put the state of the run that is on in place, if one is, because something is asked of it."""
    state = _entered[-1].state if _entered else None  # What may fail is first.
    _be_plain()
    if state is not None:
        _process.store()
        _entered[-1].place()


class _Untouched(random.Random):
    """The hidden generator's class while the run that is on has asked nothing of it."""

    def __getattribute__(self, name: str) -> Any:
        _mine()
        return getattr(_hidden, name)

    def __setattr__(self, name: str, value: Any) -> None:
        _mine()
        setattr(_hidden, name, value)

    def __delattr__(self, name: str) -> None:
        _mine()
        delattr(_hidden, name)


class _Shared(random.Random):
    """The hidden generator's class while each has one of its own."""

    def random(self) -> float:
        """Return the next number of the caller's."""
        return _mine().random()  # type: ignore[no-any-return]

    def getrandbits(self, k: int, /) -> int:
        """Return the next bits of the caller's."""
        return _mine().getrandbits(k)  # type: ignore[no-any-return]

    @property
    def gauss_next(self) -> Any:
        """The second number of a pair that ``gauss`` has drawn."""
        return _mine().gauss_next

    @gauss_next.setter
    def gauss_next(self, value: Any) -> None:
        _mine().gauss_next = value


_random_number = Redirect(random.random, lambda: _mine().random())
_random_bits = Redirect(random.getrandbits, lambda k, /: _mine().getrandbits(k))
_redirects = MemoryPatch((*_random_number.words, *_random_bits.words))
_set_class = object.__setattr__  # Past what the class itself says of setting.

_bound = [each for each in vars(random).values() if getattr(each, "__self__", None) is _hidden]
_HOLDERS = len(_bound) + hasattr(os, "fork") + 5
"""How many refer to the hidden generator if nobody has got more of it than ``random`` offers.

Beside the module's functions that is what it has done after a fork. The five: the module's own
name and the one here, what calls each of the two functions past its redirect, and the question.
"""
del _bound


def own(generator: Any) -> Any:
    """Return the caller's generator in place of the hidden one."""
    return generator if type(generator) not in _OTHERS else _mine()


_OTHERS = (_Shared, _Untouched)

_real_getstate: Any = rewrite(
    random.Random.getstate, lambda generator: _real_getstate(own(generator))
)
_real_setstate: Any = rewrite(
    random.Random.setstate, lambda generator, state: _real_setstate(own(generator), state)
)

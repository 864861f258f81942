"""asyncio's own event loop, as a run sees it.

Owns: what ``asyncio.SelectorEventLoop()`` makes inside a run, and with it ``new_event_loop()`` and
``asyncio.run()`` in a thread, and what every library makes that wants a loop of its own there: a
loop of the world. A real one would watch virtual descriptors by the real system.

How. The constructor is what is replaced: it hands the empty object to the world, which makes it a
loop of another class. (A ``__new__`` that comes and goes would leave a trace: Python's slot for it
stays, and then refuses arguments.)

Must not know: what a loop of the world is.

Invariants: the class stays, so that subclasses mean what they meant. An instance of a subclass is
the program's own, and becomes a loop of the world around which its methods are; what would have no
effect there, or none but a wrong one, is refused.
"""

from __future__ import annotations

from asyncio import SelectorEventLoop
from typing import Any

from simloop._sandbox.patching.registry import rewrite
from simloop._sandbox.permissions import is_allowed
from simloop._sandbox.run_context import by_thread, get_ident
from simloop.errors import UnsupportedError

__all__: list[str] = []


def _init(self: Any, selector: Any = None) -> None:
    seat = by_thread.get(get_ident())
    if seat is None or seat.become_loop is None or is_allowed("sockets"):
        _real_init(self, selector)
        return
    cls = type(self)
    changed = _changed_parts(cls)
    if not changed:
        seat.become_loop(self)
        return
    self._closed = True  # For its finalizer.
    raise UnsupportedError(
        f"{cls.__module__}.{cls.__qualname__}() inside a run: it would be a loop of this world,"
        f" which does not go by the {' and '.join(changed)} of its class. Let asyncio make the loop"
        " (asyncio.run() or asyncio.new_event_loop()), or make this one outside of the run"
    )


def _changed_parts(cls: type) -> list[str]:
    """Return what the program's class changes of asyncio's loop that is no public call of it.

    A loop of the world has other parts, and its timers go by the run's clock.
    """
    own = cls.__mro__[: cls.__mro__.index(SelectorEventLoop)]
    names = dict.fromkeys(name for each in own for name in vars(each))
    return [
        f"{name}()"
        for name in names
        if (name == "time" or (name[0] == "_" and name[:2] != "__"))
        and hasattr(SelectorEventLoop, name)
    ]


_real_init: Any = rewrite(SelectorEventLoop.__init__, _init)

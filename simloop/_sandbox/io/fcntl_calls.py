"""Flags of descriptors inside a run: ``fcntl``, ``ioctl``, and what is inherited.

Owns: sending the functions that set and tell flags to the world, for a virtual descriptor or an
object that has one. Libraries that do their own input and output make descriptors non-blocking and
closed on ``exec`` by these.

Must not know: which flags there are.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from simloop._sandbox.patching.registry import redirect, redirect_present
from simloop._sandbox.run_context import by_thread, get_ident
from simloop.net.linux import os_names, platform_module

if TYPE_CHECKING:
    from collections.abc import Callable

__all__: list[str] = []


def _redirect_control(function: Callable[..., Any]) -> None:
    """Send a function of a descriptor to the world's method of that name."""
    name = function.__name__

    def control(fd: Any, *args: Any) -> Any:
        run = by_thread.get(get_ident())
        if run is not None and run.sockets is not None:
            number = fd if isinstance(fd, int) else _number(fd)
            if number is not None and run.sockets.owns(number):
                return getattr(run.sockets, name)(number, *args)
        return real(fd, *args)

    real: Callable[..., Any] = redirect(function, control)


def _number(fileobj: Any) -> int | None:
    """Return the descriptor of an object, or None where the real function is to refuse it."""
    fileno = getattr(fileobj, "fileno", None)
    number = fileno() if callable(fileno) else None
    return number if isinstance(number, int) else None


_fcntl = platform_module("fcntl")  # Of Unix; so is pipe2(2), of Linux.
for _module, _name in (
    (_fcntl, "fcntl"),
    (_fcntl, "ioctl"),
    (os, "get_inheritable"),
    (os, "set_inheritable"),
):
    if hasattr(_module, _name):
        _redirect_control(getattr(_module, _name))


def _pipe2(flags: int, /) -> Any:
    run = by_thread.get(get_ident())
    if run is None or run.sockets is None:
        return _real_pipe2(flags)
    ends = os.pipe()  # Real where those are allowed.
    for fd in ends:
        os.set_blocking(fd, not flags & os_names.O_NONBLOCK)
        os.set_inheritable(fd, not flags & os_names.O_CLOEXEC)
    return ends


_real_pipe2 = redirect_present(os, "pipe2", _pipe2)

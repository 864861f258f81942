"""OpenSSL's randomness inside a run.

Owns: the random method of the OpenSSL that ``ssl`` is linked to. A handshake, a key or a nonce made
inside a run is drawn from the seed, so the same run sends the same bytes. (An ECDSA signature even
varies in length with what was drawn.)

Must not know: TLS.

Invariants: other threads draw from OpenSSL's own generator, always. What cannot be had (an ``ssl``
built without access to the method) leaves handshakes as random as ever, and nothing else changes.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

from simloop._sandbox.patching.registry import patch, redirect, when_loaded
from simloop._sandbox.run_context import by_thread, get_ident

if TYPE_CHECKING:
    from types import ModuleType

__all__: list[str] = []

_Draw = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int)


class _Method(ctypes.Structure):
    """OpenSSL's ``RAND_METHOD``."""

    _fields_ = (
        ("seed", ctypes.c_void_p),
        ("bytes", _Draw),
        ("cleanup", ctypes.c_void_p),
        ("add", ctypes.c_void_p),
        ("pseudo_bytes", _Draw),
        ("status", ctypes.c_void_p),
    )


class _RandomMethod:
    """OpenSSL's table of functions for randomness, and ours in its place."""

    def __init__(self, library: ctypes.CDLL) -> None:
        library.RAND_get_rand_method.restype = ctypes.c_void_p
        self._set = library.RAND_set_rand_method
        self._set.argtypes = (ctypes.c_void_p,)
        self._real_address = library.RAND_get_rand_method()
        real = _Method.from_address(self._real_address)
        # ctypes makes the functions that C calls; they live as long as this structure.
        self._ours = _Method(
            real.seed,
            _Draw(_drawing(real.bytes)),
            real.cleanup,
            real.add,
            _Draw(_drawing(real.pseudo_bytes)),
            real.status,
        )
        self._our_address = ctypes.addressof(self._ours)

    def on(self) -> None:
        """Let OpenSSL draw from us."""
        self._set(self._our_address)

    def off(self) -> None:
        """Let OpenSSL draw from its own generator."""
        self._set(self._real_address)


def _drawing(real: Any) -> Any:
    def draw(buffer: int, size: int) -> int:
        run = by_thread.get(get_ident())
        if run is None:
            drawn: int = real(buffer, size)
            return drawn
        ctypes.memmove(buffer, run.entropy.draw(size), size)
        return 1

    return draw


def _register(module: ModuleType) -> None:
    try:
        patch(_RandomMethod(ctypes.CDLL(getattr(module, "__file__", None))))
    except (OSError, AttributeError):  # Linked in some other way: at least what Python draws.
        _redirect_bytes(module)


def _redirect_bytes(module: ModuleType) -> None:
    def draw(size: int, /) -> Any:
        run = by_thread.get(get_ident())
        return real(size) if run is None or size < 0 else run.entropy.draw(size)

    real = redirect(module.RAND_bytes, draw)


when_loaded("_ssl", _register)

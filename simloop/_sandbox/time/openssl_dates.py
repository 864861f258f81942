"""The date by which OpenSSL checks certificates, inside a run.

Owns: telling OpenSSL the run's date for each connection that ``ssl`` makes over memory, which is
every one of a world. A certificate that is made in the run for one day is valid in it, and one that
has expired by the run's date is refused.

How. ``ssl`` has no call for it, OpenSSL has (X509_VERIFY_PARAM_set_time(3)): a date that a context
has is inherited by the connections made of it, so it is set for the making of one.

Must not know: TLS.

An error about a date tells which date it was: a certificate that was made today, outside, is not
yet valid in a run that begins in 2024.

Invariants: a context keeps no date, so connections outside of runs are checked by the real one; so
are those over real sockets, whose peers live in the real world.
"""

from __future__ import annotations

import ctypes
import datetime as dt
from typing import TYPE_CHECKING, Any

from simloop._kernel import NS_PER_SECOND
from simloop._sandbox.patching.memory import HEAD_SIZE, address_of
from simloop._sandbox.patching.registry import method, when_loaded
from simloop._sandbox.run_context import by_thread, get_ident

if TYPE_CHECKING:
    from types import ModuleType

    from simloop._sandbox.run_context import RunContext

__all__: list[str] = []

_OF_DATES = (9, 10)
"""X509_V_ERR_CERT_NOT_YET_VALID and X509_V_ERR_CERT_HAS_EXPIRED of OpenSSL's x509_vfy.h."""

_EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - a date in UTC, written as such

_USE_CHECK_TIME = 0x2
"""X509_V_FLAG_USE_CHECK_TIME of OpenSSL's x509_vfy.h."""


class _Dates:
    """The calls of the OpenSSL that ``_ssl`` is linked to."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._param_of = library.SSL_CTX_get0_param
        self._param_of.restype = ctypes.c_void_p
        self._param_of.argtypes = (ctypes.c_void_p,)
        self._mode_of = library.SSL_CTX_get_verify_mode
        self._mode_of.argtypes = (ctypes.c_void_p,)
        self._set_time = library.X509_VERIFY_PARAM_set_time
        self._set_time.restype = None
        self._set_time.argtypes = (ctypes.c_void_p, ctypes.c_int64)
        self._clear_flags = library.X509_VERIFY_PARAM_clear_flags
        self._clear_flags.argtypes = (ctypes.c_void_p, ctypes.c_ulong)

    def param_of(self, context: Any) -> int | None:
        """Return OpenSSL's parameters of a context, or None where they are not where we look.

        The first field of a ``PySSLContext`` is the ``SSL_CTX`` (CPython 3.11 to 3.14,
        Modules/_ssl.c).
        """
        pointer = ctypes.c_void_p.from_address(address_of(context) + HEAD_SIZE).value
        if pointer is None or self._mode_of(pointer) & 1 != bool(context.verify_mode):
            return None
        return self._param_of(pointer)  # type: ignore[no-any-return]

    def set(self, param: int, date_s: int) -> None:
        """Let connections that are made from now on go by a date."""
        self._set_time(param, date_s)

    def clear(self, param: int) -> None:
        """Let them go by the real one."""
        self._clear_flags(param, _USE_CHECK_TIME)


def _register(module: ModuleType) -> None:
    try:
        dates = _Dates(ctypes.CDLL(getattr(module, "__file__", None)))
    except (OSError, AttributeError):  # Linked in some other way: it goes by the real date.
        return

    def _wrap_bio(self: Any, *args: Any, **options: Any) -> Any:
        run = by_thread.get(get_ident())
        param = None if run is None else dates.param_of(self)
        if run is None or param is None:
            return real(self, *args, **options)
        dates.set(param, (run.start_ns + run.clock.now_ns) // NS_PER_SECOND)
        try:
            return real(self, *args, **options)
        finally:
            dates.clear(param)

    real = method(module._SSLContext, "_wrap_bio", _wrap_bio)

    def do_handshake(self: Any) -> Any:
        try:
            return real_handshake(self)
        except module.SSLCertVerificationError as error:
            run = by_thread.get(get_ident())
            if run is not None and error.verify_code in _OF_DATES:
                error.add_note(_told(run))
            raise

    real_handshake = method(module._SSLSocket, "do_handshake", do_handshake)


def _told(run: RunContext) -> str:
    date = _EPOCH + dt.timedelta(seconds=(run.start_ns + run.clock.now_ns) // NS_PER_SECOND)
    return (
        f"simloop: the certificate is checked by the run's date, {date:%Y-%m-%d %H:%M:%S} UTC; make"
        " it in the run, or begin the run when it is valid: start_date="
    )


when_loaded("_ssl", _register)

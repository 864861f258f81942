"""A host's kernel parameters: those of Linux that something here depends on.

Owns: their names, defaults and ranges. Must not know who reads them.

Invariant: a value is an integer in the range of its name.

Source: Documentation/networking/ip-sysctl of the Linux kernel, 6.18.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping

from simloop.errors import UsageError

__all__ = ["Sysctl"]

# Name -> (default, least, most).
_KNOWN = {
    "net.ipv4.tcp_syn_retries": (6, 1, 127),
    "net.ipv4.tcp_syn_linear_timeouts": (4, 0, 127),
    "net.ipv4.tcp_synack_retries": (5, 0, 255),
    "net.ipv4.tcp_retries2": (15, 0, 255),
    "net.ipv4.tcp_keepalive_time": (7200, 1, 32_767),
    "net.ipv4.tcp_keepalive_intvl": (75, 1, 32_767),
    "net.ipv4.tcp_keepalive_probes": (9, 1, 127),
    "net.ipv4.tcp_fin_timeout": (60, 1, 32_767),
}


class Sysctl(MutableMapping[str, int]):
    """The kernel parameters of one host: ``host.sysctl["net.ipv4.tcp_syn_retries"] = 2``.

    Raises:
        UsageError: A name is not one of those that are known here, or a value is out of range.

    Example:
        >>> sysctl = Sysctl()
        >>> sysctl["net.ipv4.tcp_retries2"]
        15
    """

    __slots__ = ("_values",)

    def __init__(self) -> None:
        self._values: dict[str, int] = {name: row[0] for name, row in _KNOWN.items()}

    def __getitem__(self, name: str) -> int:
        self._check(name)
        return self._values[name]

    def __setitem__(self, name: str, value: int) -> None:
        self._check(name)
        _, least, most = _KNOWN[name]
        if type(value) is not int or not least <= value <= most:
            raise UsageError(f"sysctl[{name!r}] = {value!r}: pass an integer, {least} to {most}")
        self._values[name] = value

    def __delitem__(self, name: str) -> None:
        """Restore the default."""
        self._check(name)
        self._values[name] = _KNOWN[name][0]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Sysctl({self._values!r})"

    @staticmethod
    def _check(name: object) -> None:
        if not isinstance(name, str) or name not in _KNOWN:
            raise UsageError(
                f"sysctl[{name!r}]: nothing here depends on it; known are {', '.join(_KNOWN)}"
            )

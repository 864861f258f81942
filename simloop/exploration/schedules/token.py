"""Tokens: a schedule as one short word.

Owns: the coding. A token holds a hash of four bytes for each deviation's key, and its value: a name
is found again in the run, which asks for it. What differs from the defaults (caps, seed, options)
stands behind, packed. Digits and letters only, so that a double click selects it all.

Must not know: runs.

Invariant: two bytes of checksum tell a token that was cut off or mistyped.
"""

from __future__ import annotations

import json
import zlib
from binascii import crc_hqx
from typing import TYPE_CHECKING, Any

import attrs

from simloop.errors import UsageError
from simloop.exploration.delays import Delays
from simloop.exploration.gates import key_hash

from .schedule import Schedule

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["schedule_of_token", "token_of"]

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_PREFIX = "s"
_VERSION = 1
_PERMUTED = 128
_HASH = 4
_DIGEST = 3


def token_of(schedule: Schedule) -> str:
    """Return the token of a schedule."""
    digest = bytes.fromhex(schedule.digest)[:_DIGEST].ljust(_DIGEST, b"\0")
    hashed = [(key_hash(each.key), each.value) for each in schedule.deviations]
    hashed += [(bytes.fromhex(key), value) for key, value in schedule.hashed.items()]
    body = (
        bytes([_VERSION | (_PERMUTED if schedule.permuted else 0)])
        + digest
        + bytes(_numbers(len(hashed)))
    )
    for key, value in hashed:
        body += key + bytes(_numbers(value))
    rest: dict[str, Any] = {}
    if schedule.delays != Delays():
        rest["d"] = attrs.astuple(schedule.delays)
    if schedule.options:
        rest["o"] = schedule.options
    if rest:
        body += zlib.compress(json.dumps(rest, separators=(",", ":")).encode(), 9)
    body += crc_hqx(body, 0).to_bytes(2, "big")
    return _PREFIX + _spell(int.from_bytes(b"\1" + body, "big"))


def schedule_of_token(token: str) -> Schedule:
    """Return the schedule of a token.

    Raises:
        UsageError: It is none, or a part of one.
    """
    try:
        body = _body_of(token.strip())
        return _read(body)
    except (ValueError, IndexError, KeyError, TypeError, zlib.error):
        raise UsageError(
            f"{token!r} is no token of a schedule: it was cut off, or mistyped; copy the whole word"
        ) from None


def _body_of(token: str) -> bytes:
    if not token.startswith(_PREFIX):
        raise ValueError(token)
    number = 0
    for digit in token[len(_PREFIX) :]:
        number = number * len(_DIGITS) + _DIGITS.index(digit)
    raw = number.to_bytes((number.bit_length() + 7) // 8, "big")
    body, check = raw[1:-2], raw[-2:]
    if (
        raw[0] != 1
        or crc_hqx(body, 0).to_bytes(2, "big") != check
        or body[0] & ~_PERMUTED != _VERSION
    ):
        raise ValueError(token)
    return body


def _read(body: bytes) -> Schedule:
    digest = body[1 : 1 + _DIGEST]
    count, at = _number(body, 1 + _DIGEST)
    hashed = {}
    for _ in range(count):
        key = body[at : at + _HASH].hex()
        hashed[key], at = _number(body, at + _HASH)
    rest = json.loads(zlib.decompress(body[at:])) if at < len(body) else {}
    return Schedule(
        delays=Delays(*rest["d"]) if "d" in rest else Delays(),
        options=rest.get("o", {}),
        digest=digest.hex() if any(digest) else "",
        hashed=hashed,
        permuted=bool(body[0] & _PERMUTED),
    )


def _numbers(value: int) -> Iterator[int]:
    """Yield a number as bytes of seven bits, the low ones first."""
    while value > 127:  # noqa: PLR2004 - seven bits
        yield value & 127 | 128
        value >>= 7
    yield value


def _number(body: bytes, at: int) -> tuple[int, int]:
    """Return the number that begins at a place, and where it ends."""
    value = shift = 0
    while body[at] & 128:
        value |= (body[at] & 127) << shift
        at, shift = at + 1, shift + 7
    return value | body[at] << shift, at + 1


def _spell(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return digits

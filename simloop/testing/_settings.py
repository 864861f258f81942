"""What the ini file says of all tests in virtual time.

Owns: the names of these settings, and what their values mean. A test's mark and the command line go
before them.

Must not know: the engine, which a run of pytest without such tests never loads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import pytest

if TYPE_CHECKING:
    import datetime as dt

__all__ = ["SETTINGS", "declare", "read", "read_seed"]

_SETTINGS: tuple[tuple[str, Literal["string", "args"], str], ...] = (
    ("seed", "string", "the seed of tests whose mark and command line name none"),
    ("start_date", "string", "when worlds begin: 2024-02-29T12:00:00+00:00"),
    ("max_time", "string", "the latest virtual time of a test, in seconds"),
    ("allow", "args", "what of the real world tests may reach, as simloop.allow() takes it"),
    ("explore", "string", "under how many schedules each test runs"),
)
"""Settings of all tests, which a test's mark and the command line go before."""
SETTINGS = pytest.StashKey[dict[str, Any]]()
"""Those of the ini file, by name."""


def declare(parser: pytest.Parser) -> None:
    """Tell pytest of the settings."""
    for name, kind, meaning in _SETTINGS:
        parser.addini(f"simloop_{name}", meaning, type=kind, default=None)


def read_seed(text: str | None) -> int | str | None:
    """Read a seed as it stands on a command line or in a file: a number, or a word.

    >>> read_seed("7"), read_seed("-7"), read_seed("eight"), read_seed(None)
    (7, -7, 'eight', None)
    """
    return int(text) if text is not None and text.lstrip("-").isdecimal() else text


def read(config: pytest.Config) -> dict[str, Any]:
    """Return what the ini file says of all tests: options of a run, and ``explore``.

    Raises:
        pytest.UsageError: A value means nothing.
    """
    found = {name: config.getini(f"simloop_{name}") for name, _, _ in _SETTINGS}
    given: dict[str, Any] = {name: value for name, value in found.items() if value}
    for name, kind, wanted in (
        ("max_time", float, "a number of seconds"),
        ("explore", int, "a number of schedules"),
    ):
        if name in given:
            try:
                given[name] = kind(given[name])
            except ValueError:
                raise pytest.UsageError(
                    f"simloop_{name} is {given[name]!r}; it is {wanted}"
                ) from None
    if "seed" in given:
        given["seed"] = read_seed(given["seed"])
    if "start_date" in given:
        given["start_date"] = _date(given["start_date"])
    if "allow" in given:
        given["allow"] = _allowed(given["allow"])
    return given


def _date(text: str) -> dt.datetime:
    import datetime as dt  # noqa: PLC0415 - few need it

    try:
        date = dt.datetime.fromisoformat(text)
    except ValueError:
        date = None
    if date is None or date.tzinfo is None:
        raise pytest.UsageError(
            f"simloop_start_date is {text!r}; it is a date with an offset, such as"
            " 2024-02-29T12:00:00+00:00"
        )
    return date


def _allowed(names: list[str]) -> tuple[str, ...]:
    from simloop._sandbox.permissions import check_names  # noqa: PLC0415 - few need it
    from simloop.errors import UsageError  # noqa: PLC0415 - the same

    try:
        check_names(tuple(names))
    except UsageError as error:
        raise pytest.UsageError(f"simloop_allow: {error}") from None
    return tuple(names)

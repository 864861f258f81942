"""What tests of histories share: recording a history written down as short lines."""

from __future__ import annotations

import pytest

import simloop


def record(text):
    """Record events, one a line: ``a write 1``, then ``a ok`` with what it gave, if anything.

    A line with ``:`` records both at once: ``a write 1: None``.
    """
    history, going_on = simloop.History(), {}
    for line in text.strip().splitlines():
        call, colon, value = line.partition(":")
        client, op, *args = call.split()
        match op:
            case "ok":
                going_on.pop(client).ok(eval(" ".join(args) or "None"))  # noqa: S307 - our own text
            case "unknown" | "failed":
                getattr(going_on.pop(client), op)()
            case _:
                going_on[client] = history.invoke(client, op, *map(eval, args))
                if colon:
                    going_on.pop(client).ok(eval(value))  # noqa: S307 - the same
    return history


@pytest.fixture(name="record")
def fixture_record():
    """Give the function that records a text."""
    return record

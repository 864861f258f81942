"""How the command writes times and counts."""

from __future__ import annotations

import io

import pytest

from simloop.cli._format import count, virtual
from simloop.cli._progress import Progress, line

SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("time_ns", "text"),
    [
        (0, "0:00:00"),
        (1, "0:00:00.000000001"),
        (SECOND // 2, "0:00:00.5"),
        (59 * SECOND, "0:00:59"),
        (3600 * SECOND, "1:00:00"),
        (86_399 * SECOND, "23:59:59"),
        (86_400 * SECOND, "1 day 0:00:00"),
        (10**9 * SECOND, "11,574 days 1:46:40"),
    ],
)
def test_times_are_written_as_a_clock_shows_them(time_ns, text):
    """Virtual time is exact to the nanosecond, and days are counted apart."""
    assert virtual(time_ns) == text


def test_counts_are_grouped():
    """Large counts have their thousands apart."""
    assert [count(number) for number in (0, 999, 1000, 1234567)] == [
        "0",
        "999",
        "1,000",
        "1,234,567",
    ]


def test_the_progress_line_says_how_far_and_how_fast():
    """Progress is virtual time, steps, and steps per real second."""
    assert line(90 * SECOND, 12_345, 999.6) == (
        "simloop: 0:01:30 virtual, 12,345 steps, 1,000 per second"
    )


def test_progress_shows_nothing_for_short_runs(monkeypatch):
    """A run that ends before the first look leaves a terminal untouched."""
    screen = io.StringIO()
    monkeypatch.setattr("sys.stderr", screen)
    with Progress(lambda: (0, 0), is_shown=True):
        pass
    assert screen.getvalue() == ""


def test_progress_is_shown_and_cleared(monkeypatch):
    """A long run's line is written over in place, and cleared at the end."""
    screen = io.StringIO()
    monkeypatch.setattr("sys.stderr", screen)
    progress = Progress(lambda: (SECOND, 10), is_shown=True)
    waits = []

    def ended(seconds):
        waits.append(seconds)
        return len(waits) > 2

    progress._ended.wait = ended
    with progress:
        pass
    shown = screen.getvalue()
    assert shown.count("simloop: 0:00:01 virtual, 10 steps") == 2
    assert shown.startswith("\r")
    assert shown.endswith("\r\x1b[K")
    assert waits[0] > waits[1] == waits[2]

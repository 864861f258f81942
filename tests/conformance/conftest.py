"""The count of CPython's tests, told at the end of a test run."""

from __future__ import annotations

from .suite import Count


def pytest_terminal_summary(terminalreporter):
    counts = [
        Count(**value)
        for reports in terminalreporter.stats.values()
        for report in reports
        for name, value in getattr(report, "user_properties", ())
        if name == "conformance" and report.when == "call"
    ]
    if counts:
        total = sum(counts, start=Count())
        terminalreporter.write_line(f"CPython's own tests of asyncio, on SimLoop: {total}")

"""Objects with a thread in the background: each run finds them working, and the real loop, too."""

from __future__ import annotations

import asyncio
import logging
import logging.handlers
import queue
import threading

import pytest

import simloop

from .kept_log import Kept

RUNS = {"s": simloop.run, "r": asyncio.run}
ORDERS = ("s", "ss", "sr", "rs", "srs", "ssrr")


class Log:
    """A log with a listener."""

    def __init__(self):
        lines, kept = queue.Queue(), Kept()
        self.listener = logging.handlers.QueueListener(lines, kept)
        self.handler = logging.handlers.QueueHandler(lines)
        self.done = kept.lines
        self.listener.start()
        self.close = self.listener.stop

    def put(self, line):
        self.handler.handle(logging.LogRecord("log", logging.INFO, "", 1, line, (), None))


class Exporter:
    """Keeps what is exported."""

    def __init__(self):
        self.names = []

    def export(self, spans):
        self.names += [span.name for span in spans]

    def shutdown(self):
        """Do nothing."""


class Spans:
    """A tracer whose spans are exported in batches."""

    def __init__(self):
        trace = pytest.importorskip("opentelemetry.sdk.trace")
        export = pytest.importorskip("opentelemetry.sdk.trace.export")
        exporter = Exporter()
        provider = trace.TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(export.BatchSpanProcessor(exporter))
        self.tracer = provider.get_tracer("tests")
        self.done = exporter.names
        self.close = provider.shutdown

    def put(self, line):
        with self.tracer.start_as_current_span(line):
            pass


@pytest.mark.parametrize("made", ["outside", "in a run", "on the real loop"])
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kind", [Log, Spans])
def test_what_a_run_gives_it_is_done_in_the_run(kind, order, made):
    """In each run it is served in virtual time, nothing is lost, and no thread is left."""
    before = threading.active_count()

    async def make():
        return kind()

    served = {"outside": kind, "in a run": lambda: simloop.run(make())}.get(
        made, lambda: asyncio.run(make())
    )()

    async def main(number):
        served.put(f"line {number}")
        if asyncio.get_running_loop().__class__ is simloop.SimLoop:
            await asyncio.sleep(60)
            assert served.done[-1] == f"line {number}"

    for number, which in enumerate(order):
        RUNS[which](main(number))
    served.close()
    assert served.done == [f"line {number}" for number in range(len(order))]
    assert threading.active_count() == before


@pytest.mark.parametrize("kind", [Log, Spans])
def test_a_run_with_it_is_the_same_each_time(kind):
    """The digest does not tell whether the thread was begun in this run or came from outside."""
    served = kind()

    async def main():
        for number in range(3):
            served.put(f"line {number}")
            await asyncio.sleep(60)

    first, again = simloop.simulate(main), simloop.simulate(main)
    served.close()
    assert first.error is None
    assert first.digest == again.digest
    assert len(served.done) == 6


@pytest.mark.parametrize("kind", [Log, Spans])
def test_what_is_closed_in_a_run_stays_closed(kind):
    """No thread goes on outside for what the run has closed."""
    before = threading.active_count()

    async def main():
        served = kind()
        served.put("line")
        await asyncio.sleep(1)
        served.close()
        return served.done

    assert simloop.run(main()) == ["line"]
    assert threading.active_count() == before

"""What the tests of traces share: running a program with one, and reading what was written."""

from __future__ import annotations

import contextlib
import json

import pytest

import simloop
from simloop.world.tracing.trace_file import writing_trace


class Trace:
    """The events of one file, and the checks that hold for every trace."""

    def __init__(self, path):
        self.text = path.read_text()
        content = json.loads(self.text)
        self.about = content["otherData"]
        self.events = content["traceEvents"]

    def of(self, category, *phases):
        """The events of a category and of these phases, or of any."""
        return [
            event
            for event in self.events
            if event.get("cat") == category and (not phases or event["ph"] in phases)
        ]

    def threads(self):
        """The name of each thread by its number."""
        named = [event for event in self.events if event.get("name") == "thread_name"]
        return {event["tid"]: event["args"]["name"] for event in named}

    def spans(self):
        """Each span as (thread, category, name, begin, end, outcome), by their ends."""
        found, stacks = [], {}
        for event in self.events:
            if event["ph"] == "B":
                stacks.setdefault(event["tid"], []).append(event)
            elif event["ph"] == "E":
                began = stacks[event["tid"]].pop()
                outcome = event.get("args", {}).get("outcome")
                found.append(
                    (
                        self.threads()[event["tid"]],
                        began["cat"],
                        began["name"],
                        began["ts"],
                        event["ts"],
                        outcome,
                    )
                )
        assert not any(stacks.values()), stacks
        return found

    def messages(self):
        """Each message as (sender's thread, reader's thread, bytes); None if nobody read it."""
        threads, lost = self.threads(), {event["args"]["id"] for event in self.of("lost")}
        ends = {event["id"]: event for event in self.of("message", "f")}
        return [
            (
                threads[event["tid"]],
                None if event["id"] in lost else threads[ends[event["id"]]["tid"]],
                event["args"].get("bytes"),
            )
            for event in self.of("message", "s")
        ]

    def check(self):
        """Assert what the format promises."""
        check_format(self.events)


def check_format(events):
    """Times rise, spans nest, slices lie within them, flows have two ends, all has a name."""
    named, last, stacks, flows = set(), 0, {}, {}
    for event in events:
        thread = (event["pid"], event["tid"])
        if event["ph"] == "M":
            assert event["name"] in ("process_name", "thread_name")
            assert event["args"]["name"]
            named.add((event["name"], *thread[: 1 + (event["name"] == "thread_name")]))
            continue
        assert ("process_name", event["pid"]) in named
        assert ("thread_name", *thread) in named
        assert event["ts"] >= last
        last = event["ts"]
        stack = stacks.setdefault(thread, [])
        if event["ph"] == "B":
            stack.append(event)
        elif event["ph"] == "E":
            assert stack.pop()["ts"] <= event["ts"]
        elif event["ph"] == "i":
            assert event["s"] in ("p", "g")
            assert event["name"]
        else:
            assert stack[-1]["cat"] in ("step", "lost", "packet", "lost packet")
            flow = (event["cat"], event["name"], event["id"])
            if event["ph"] == "s":
                assert flow not in flows
                flows[flow] = None
            else:
                assert event["ph"] == "f"
                assert event["bp"] == "e"
                assert flows.pop(flow, 0) is None
    assert not flows
    assert not any(stacks.values())


@pytest.fixture
def trace(tmp_path):
    """Run a coroutine function with a trace; its error is swallowed."""

    def trace(main, *, seed=0, name="run.json", disk=False, **options):
        world = simloop.World(seed=seed, disk=disk)
        with (
            writing_trace(world, str(tmp_path / name), "program"),
            contextlib.suppress(Exception),
        ):
            simloop.run(main(), world=world, **options)
        written = Trace(tmp_path / name)
        written.check()
        return written

    return trace


@pytest.fixture(scope="session")
def format_checker():
    """The check of a list of events."""
    return check_format

"""Recording: what a history keeps of its operations, when, and what it refuses."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import suppress

import pytest

import simloop


def test_an_operation_is_completed_once():
    """Completing an operation again is refused, whatever it was, and changes nothing."""
    history = simloop.History()
    for complete in ("ok", "failed", "unknown"):
        operation = history.invoke("a", "read")
        getattr(operation, complete)()
        for again in ("ok", "failed", "unknown"):
            with pytest.raises(simloop.UsageError, match=f"already, as {complete!r}"):
                getattr(operation, again)()
        assert operation.outcome == complete


def test_a_block_completes_its_operation():
    """A block that ends is ok, one that raises is unknown, one that said what it is keeps it."""
    history = simloop.History()
    with history.invoke("a", "write", 1):
        pass
    with history.invoke("a", "read") as read:
        read.ok(1)
    with pytest.raises(TimeoutError), history.invoke("a", "write", 2):
        raise TimeoutError
    with suppress(KeyError), history.invoke("a", "write", 3) as refused:
        refused.failed()
        raise KeyError
    assert [each.outcome for each in history] == ["ok", "ok", "unknown", "failed"]
    assert [each.value for each in history] == [None, 1, None, None]
    history.check(simloop.Register())


def test_what_is_recorded_stays():
    """Lists, dicts and sets that change after they were recorded do not change the history."""
    history = simloop.History()
    items, answer = [1, (2, [3])], {"a": {4}}
    operation = history.invoke("a", "put", items)
    operation.ok(answer)
    items[1][1].append(5)
    items.append(6)
    answer["a"].add(7)
    assert operation.args == ([1, (2, [3])],)
    assert operation.value == {"a": {4}}


def test_times_are_the_worlds():
    """In a run an operation has the virtual time, on a thread of it too."""
    history = simloop.History()

    def record():
        history.invoke("thread", "read").ok()

    async def main():
        await asyncio.sleep(1.5)
        with history.invoke("task", "read"):
            await asyncio.sleep(2)
        await asyncio.to_thread(record)

    simloop.run(main())
    assert [(each.invoked_at, each.returned_at) for each in history] == [(1.5, 3.5), (3.5, 3.5)]


def test_outside_of_a_run_times_begin_at_the_first_operation():
    """On a real loop times count from the first operation on; without a loop there are none."""
    history = simloop.History()

    async def main():
        history.invoke("a", "read").ok()
        history.invoke("a", "read").ok()

    asyncio.run(main())
    first, second = history
    assert first.invoked_at == 0.0
    assert 0.0 <= second.invoked_at < 60.0
    outside = simloop.History().invoke("a", "read")
    outside.ok()
    assert (outside.invoked_at, outside.returned_at) == (None, None)


def test_recording_loads_no_engine():
    """A program that records histories and has no run does not load what a run needs."""
    code = (
        "import sys, simloop\n"
        "simloop.History().invoke('a', 'read').ok()\n"
        "print(sorted(m for m in sys.modules if m.startswith(('simloop.world', 'simloop._'))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['simloop._only_copy', 'simloop._presence', 'simloop._version']"


@pytest.mark.parametrize("op", [None, 3, "", ("write", 1)])
def test_an_operation_has_a_name(op):
    """An operation whose name is no text is refused where it is invoked."""
    with pytest.raises(simloop.UsageError, match="the second argument names the operation"):
        simloop.History().invoke("a", op)


@pytest.mark.parametrize("model", [None, simloop.Register, "register", object()])
def test_a_model_is_a_model(model):
    """What is no model, and a model's class, is refused by name."""
    with pytest.raises(simloop.UsageError, match="it takes a model, an instance of Register"):
        simloop.History().check(model)


@pytest.mark.parametrize(
    ("model", "text", "told"),
    [
        (simloop.Register(), "a raed: 1", r"Register has no operation raed\(\); it has read"),
        (simloop.Register(), "a write: 1", r"no operation write\(\)"),
        (simloop.KeyValue(), "a get: 1", r"no operation get\(\)"),
        (simloop.KeyValue(), "a get 1 2: 1", r"no operation get\(2\)"),
        (simloop.KeyValue(), "a get [1]: 1", r"its key \(\[1\],\) can't be a key of a dict"),
        (simloop.Counter(), "a read 1: 1", r"no operation read\(1\)"),
        (simloop.Set(), "a add: 1", r"Set has no operation add\(\)"),
        (simloop.Set(), "a read: []\na add [1]: 1", "can't be a key"),
        (simloop.Queue(), "a pop: 1", r"Queue has no operation pop\(\)"),
        (simloop.Mutex(), "a wait: 1", r"Mutex has no operation wait\(\)"),
        (simloop.Model(), "a read: 1", "Model has no step"),
        (simloop.ListAppend(), "a write 1: 1", "is no step of a transaction"),
        (simloop.ListAppend(), "a read 1: 1", "a read gives a list"),
        (simloop.ListAppend(), "a txn [('r',1)]: 1", "it has 1 reads"),
        (simloop.ListAppend(), "a txn [('r',1)]: [[1],[2]]", "it has 1 reads"),
        (simloop.ListAppend(), "a append 1 [1]: None", "found by hash"),
        (
            simloop.ListAppend(),
            "a append 1 1: None\nb append 1 1: None",
            "1 was appended to 1 twice",
        ),
    ],
)
def test_what_a_model_does_not_know_is_refused(record, model, text, told):
    """An operation that a model does not know is an error that names it and what there is."""
    with pytest.raises(simloop.UsageError, match=told):
        record(text).check(model)


def test_a_step_returns_pairs():
    """A model whose step returns something else than pairs is told what it should return."""

    class Wrong(simloop.Model):
        def step(self, state, call):
            return state

    history = simloop.History()
    history.invoke("a", "read").ok()
    with pytest.raises(simloop.UsageError, match=r"Wrong.step\(\) returned None for 'read'"):
        history.check(Wrong())


def test_a_level_is_known():
    """A level of isolation that does not exist is refused, with those that do."""
    with pytest.raises(simloop.UsageError, match="strict-serializable"):
        simloop.ListAppend("chaos")


def test_a_search_that_is_too_long_says_what_helps(record):
    """A check that would look at more states than it may is an error that names the ways out."""
    history = record("\n".join([f"c{n} write {n}" for n in range(9)] + ["r read: 9"]))
    with pytest.raises(simloop.LimitError, match=r"looked at 3 states .* raise max_states"):
        history.check(simloop.Register(), max_states=3)
    assert history.judge(simloop.Register()).states > 3

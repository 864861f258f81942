"""The verdicts on histories, by each model; against a checker that tries every order."""

from __future__ import annotations

import itertools
import random

import pytest

import simloop


def by_force(model, operations):
    """Try every order of every selection: the definition of linearizability, as it stands.

    Slow, and right by being obvious.
    """
    done = [each for each in operations if each.outcome == "ok"]
    maybe = [each for each in operations if each.outcome in ("unknown", "pending")]
    for count in range(len(maybe) + 1):
        for chosen in itertools.combinations(maybe, count):
            for order in itertools.permutations([*done, *chosen]):
                if keeps_time(order) and explains(model, order):
                    return True
    return False


def keeps_time(order):
    """Whether nothing in an order stands behind something that began after its end."""
    return not any(
        later.outcome == "ok" and later.ended < earlier.invoked
        for earlier, later in itertools.combinations(order, 2)
    )


def explains(model, order):
    """Whether a service that does the operations in this order gives what was heard."""
    parts = {}
    for each in order:
        call, reached = model.call_of(each), []
        key = model.key(call) if isinstance(model, simloop.KeyValue) else None
        for state in parts.get(key, [model.initial()]):
            said = model.step(state, call)
            for after, answer in said if isinstance(said, list) else [said]:
                if each.outcome != "ok" or model.agrees(answer, each.value):
                    reached.append(after)
        parts[key] = reached
    return all(parts.values())


OPERATIONS = {
    simloop.Register: [("read",), ("write", 1), ("write", 2), ("cas", 1, 2), ("cas", 2, 1)],
    simloop.KeyValue: [("get", "x"), ("put", "x", 1), ("get", "y"), ("put", "y", 2)],
    simloop.Counter: [("read",), ("increment",), ("add", 2), ("get_and_add", 1)],
    simloop.Set: [("add", 1), ("add", 2), ("remove", 1), ("contains", 1), ("read",)],
    simloop.Queue: [("put", 1), ("put", 2), ("get",), ("size",)],
    simloop.Mutex: [("acquire",), ("release",)],
}


def random_history(model, rng, count=6, clients=3):
    """Record what clients of a service might hear that mostly does what the model does."""
    history, going_on, state = simloop.History(), {}, model.initial()
    lie = rng.choice([0.0, 0.1, 0.3])
    while len(history) < count or going_on:
        client = rng.randrange(clients)
        if client not in going_on:
            if len(history) < count:
                call = rng.choice(OPERATIONS[type(model)])
                going_on[client] = [history.invoke(client, *call), None]
        elif going_on[client][1] is None:
            said = model.step(state, model.call_of(going_on[client][0]))
            pairs = said if isinstance(said, list) else [said]
            if not pairs:  # It waits, and its client for it.
                going_on.pop(client)
                continue
            state, answer = rng.choice(pairs)
            going_on[client][1] = (None if answer is model.ANY else answer,)
        else:
            operation, (answer,) = going_on.pop(client)
            if rng.random() < 0.2:
                rng.choice([operation.unknown, lambda: None, operation.failed])()
            elif rng.random() < lie:
                operation.ok(rng.choice([None, 0, 1, 2, True, False, [1]]))
            else:
                operation.ok(answer)
    return history


@pytest.mark.parametrize("kind", OPERATIONS)
def test_verdicts_are_those_of_trying_every_order(kind):
    """On random small histories the verdict is the one of a checker that tries all orders."""
    rng, verdicts = random.Random(f"{kind.__name__}"), []
    for _ in range(60):
        history = random_history(kind(), rng)
        verdict = history.judge(kind())
        counted = [each for each in history if each.outcome != "failed"]
        assert verdict.holds == by_force(kind(), counted), history.operations
        verdicts.append(verdict.holds)
    assert 5 < sum(verdicts) < 55


@pytest.mark.parametrize("kind", OPERATIONS)
def test_the_prefix_is_the_shortest_that_fails(kind):
    """The beginning that a verdict names fails, and without its last event it would not."""
    rng, seen = random.Random(f"prefix of {kind.__name__}"), 0
    for _ in range(40):
        verdict = random_history(kind(), rng, count=5).judge(kind())
        if verdict.holds:
            continue
        seen += 1
        ends = sorted(each.ended for each in verdict.prefix if each.ended is not None)
        last = [each for each in verdict.prefix if each.outcome == "ok"]
        assert any(not by_force(kind(), _until(last, verdict.prefix, end)) for end in ends)
        shortest = next(e for e in ends if not by_force(kind(), _until(last, verdict.prefix, e)))
        assert all(each.invoked < shortest for each in verdict.prefix)
        assert "could" in str(verdict)
    assert seen > 3


class _Pending:
    """An operation as it was before it ended."""

    def __init__(self, operation):
        self.op, self.args, self.client = operation.op, operation.args, operation.client
        self.invoked, self.ended, self.outcome = operation.invoked, None, "pending"


def _until(done, operations, end):
    return [
        each if each not in done or each.ended <= end else _Pending(each)
        for each in operations
        if each.invoked <= end and each.outcome != "failed"
    ]


@pytest.mark.parametrize(
    ("model", "text", "holds"),
    [
        (simloop.Register(7), "a read: 7", True),
        (simloop.Register(), "a write 1\nb read: None\nb read: 1\na ok", True),
        (simloop.Register(), "a write 1\nb read: 1\nb read: None\na ok", False),
        (simloop.Register(), "a write 1\na unknown\nb read: None\nb read: 1", True),
        (simloop.Register(), "a write 1\na failed\nb read: 1", False),
        (simloop.Register(), "a write {}: None\nb read: {}", True),
        (simloop.Register(), "a write [1]: None\nb read: [2]", False),
        (simloop.KeyValue(), "a put 1 2: 'OK'\nb append 1 3: 0\nb get 1: 5\nb delete 1: 1", True),
        (simloop.KeyValue(), "a append 1 'x': None\na get 1: 'x'\nb get 2: 'x'", False),
        (simloop.Counter(5), "a decrement: 4\nb add -2: None\na get: 2", True),
        (simloop.Counter(), "a increment: 2", False),
        (simloop.Set([1]), "a contains 1: True\na discard 1: True\na remove 1: False", True),
        (simloop.Set(), "a add 1: None\na add 2: True\nb read: (2,1)", True),
        (simloop.Set(), "a add 1: None\nb read: [1,1]", False),
        (simloop.Set(), "a add 1: None\nb read: None", False),
        (simloop.Set(), "a add 1: None\nb contains 1: None", False),
        (simloop.Queue(), "a put 1\nb put 2\na ok\nb ok\na get: 2\na get: 1\na get: None", True),
        (simloop.Queue(), "a put 1: None\na put 2: None\nb get: 2", False),
        (simloop.Queue([3], empty="none"), "a dequeue: 3\na dequeue: 'none'\na size: 0", True),
        (simloop.Queue(empty=simloop.Queue.WAITS), "a get\nb enqueue 1: None\na ok 1", True),
        (simloop.Queue(empty=simloop.Queue.WAITS), "a get: None\nb put 1: None", False),
        (simloop.Mutex(), "a lock: True\nb lock\na unlock: None\nb ok", True),
        (simloop.Mutex(), "a acquire: None\nb acquire: None", False),
        (simloop.Mutex(), "a acquire: None\nb release: None", False),
        (simloop.Mutex(), "a acquire 'x': None\nb acquire 'y': None", True),
    ],
)
def test_models(record, model, text, holds):
    """Each model knows its operations, and what they may give."""
    assert record(text).judge(model).holds is holds


def test_many_operations_of_unknown_outcome_are_few_states(record):
    """Sixty writes without an answer, of which any may have been done, take few states."""
    lines = [f"c{n} write {n % 3}\nc{n} unknown\nr read: {n % 3}" for n in range(60)]
    verdict = record("\n".join([*lines, "r read: 9"])).judge(simloop.Register())
    assert not verdict.holds
    assert verdict.states < 1000


def test_keys_are_checked_one_by_one(record):
    """Operations on many keys at a time cost as many states as those on each key alone."""
    lines = [f"c{n} put {n} 1" for n in range(40)] + [f"c{n} ok" for n in range(40)]
    assert record("\n".join(lines)).check(simloop.KeyValue()).states == 40


def test_a_long_history_is_no_deep_recursion(record):
    """Five thousand operations in a row are checked, state by state."""
    lines = [f"a write {n}: None\nb read: {n}" for n in range(2500)]
    assert record("\n".join(lines)).check(simloop.Register()).states == 5000


class Semaphore(simloop.Model):
    """A model of a user's own, in which clients matter and several things may happen."""

    looks_at_client = True

    def initial(self):
        return ()

    def step(self, state, call):
        match call.op:
            case "enter":
                return [((*state, call.client), True)] if len(state) < 2 else []
            case "leave" if call.client in state:
                return tuple(each for each in state if each != call.client), self.ANY
            case "draw":
                return [(state, 1), (state, 6)]
        return []


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("a enter: True\nb enter: True\nb draw: 6\na leave: None\nc enter: True", True),
        ("a enter: True\nb enter: True\nc enter: True", False),
        ("a enter: True\nb leave: None", False),
        ("a draw: 3", False),
    ],
)
def test_a_model_of_ones_own(record, text, holds):
    """A subclass says what may happen: nothing yet, one thing, or one of several."""
    assert record(text).judge(Semaphore()).holds is holds

"""Transactions on lists: which anomalies are found, at which level, and against every order."""

from __future__ import annotations

import itertools
import random

import pytest

import simloop


def by_force(operations, *, keeps_time):
    """Try every order of every selection of the transactions of unknown outcome."""
    done = [each for each in operations if each.outcome == "ok"]
    maybe = [each for each in operations if each.outcome in ("unknown", "pending")]
    for count in range(len(maybe) + 1):
        for chosen in itertools.combinations(maybe, count):
            for order in itertools.permutations([*done, *chosen]):
                if explains(order) and not (keeps_time and breaks_time(order)):
                    return True
    return False


def breaks_time(order):
    """Whether something in an order stands behind something that began after its end."""
    return any(
        later.outcome == "ok" and later.ended < earlier.invoked
        for earlier, later in itertools.combinations(order, 2)
    )


def explains(order):
    """Whether the transactions, done one by one in this order, read what they read."""
    lists = {}
    for each in order:
        found = []
        for step in each.args[0]:
            if step[0] == "append":
                lists.setdefault(step[1], []).append(step[2])
            else:
                found.append(list(lists.get(step[1], [])))
        if each.outcome == "ok" and found != each.value:
            return False
    return True


def random_history(rng, count=5, clients=3):
    """Record transactions that read from a copy of the lists that is sometimes old."""
    history, going_on, lists, old = simloop.History(), {}, {}, {}
    values = itertools.count(1)
    lie = rng.choice([0.0, 0.5, 1.0])
    while len(history) < count or going_on:
        client = rng.randrange(clients)
        if client not in going_on:
            if len(history) < count:
                steps = [
                    ("append", rng.choice("xy"), next(values))
                    if rng.random() < 0.5
                    else ("r", rng.choice("xy"))
                    for _ in range(rng.randrange(1, 4))
                ]
                going_on[client] = history.invoke(client, "txn", steps)
            continue
        operation = going_on.pop(client)
        seen = old if rng.random() < lie else lists
        seen, found = {key: list(value) for key, value in seen.items()}, []
        for step in operation.args[0]:
            if step[0] == "append":
                seen.setdefault(step[1], []).append(step[2])
                lists.setdefault(step[1], []).append(step[2])
            else:
                found.append(list(seen.get(step[1], [])))
        if (chance := rng.random()) < 0.75:
            operation.ok(found)
        elif chance < 0.9:
            operation.unknown()
        if rng.random() < 0.3:
            old = {key: list(value) for key, value in lists.items()}
    return history


@pytest.mark.parametrize("level", ["serializable", "strict-serializable"])
def test_verdicts_are_those_of_trying_every_order(level):
    """On random small histories the verdict is the one of a checker that tries all orders."""
    rng, verdicts = random.Random(level), []
    for _ in range(150):
        history = random_history(rng)
        verdict = history.judge(simloop.ListAppend(level))
        keeps_time = level == "strict-serializable"
        assert verdict.holds == by_force(history, keeps_time=keeps_time), history.operations
        verdicts.append(verdict.holds)
        if not verdict.holds:
            assert str(verdict).startswith(f"not {level}: ")
            assert not by_force(verdict.prefix, keeps_time=keeps_time)
    assert 10 < sum(verdicts) < 140


SKEW = """
a txn [('r','x'),('append','y',1)]
b txn [('r','y'),('append','x',2)]
a ok [[]]
b ok [[]]
"""
READ_SKEW = """
a txn [('r','x'),('r','y')]
b txn [('append','x',1),('append','y',2)]: []
a ok [[],[2]]
"""
LONG_FORK = """
a append 'x' 1: None
b append 'y' 2: None
c txn [('r','x'),('r','y')]
d txn [('r','x'),('r','y')]
c ok [[1],[]]
d ok [[],[2]]
"""
STALE = "a append 'x' 1: None\nb read 'x': []"
CROSSED = """
a txn [('append','x',1),('append','y',1)]
b txn [('append','x',2),('append','y',2)]
a ok []
b ok []
c read 'x': [1,2]
c read 'y': [2,1]
"""
CIRCLE = """
a txn [('append','x',1),('r','y')]
b txn [('append','y',1),('r','x')]
a ok [[1]]
b ok [[1]]
"""
LEVELS = ["read-committed", "snapshot-isolation", "serializable", "strict-serializable"]


@pytest.mark.parametrize(
    ("text", "name", "lowest"),
    [
        (SKEW, "G2-item, write skew", "serializable"),
        (READ_SKEW, "G-single, read skew", "snapshot-isolation"),
        (LONG_FORK, "G-single, read skew", "snapshot-isolation"),
        (STALE, "G-single, read skew, in real time", "strict-serializable"),
        (
            CROSSED,
            "G0, a write cycle",
            "read-committed",
        ),
        (
            CIRCLE,
            "G1c, circular information flow",
            "read-committed",
        ),
        ("a append 'x' 1\na failed\nb read 'x': [1]", "G1a, an aborted read", "read-committed"),
        (
            "a txn [('append','x',1),('append','x',2)]\nb read 'x': [1]\na ok []",
            "G1b, an intermediate read",
            "read-committed",
        ),
        ("b read 'x': [1]", "a value from nowhere", "read-committed"),
        ("a append 'x' 1: None\nb read 'x': [1,1]", "a duplicate", "read-committed"),
        (
            "a append 'x' 1: None\na append 'x' 2: None\nb read 'x': [1,2]\nb read 'x': [2,1]",
            "incompatible orders",
            "read-committed",
        ),
        (
            "a txn [('append','x',1),('r','x')]: [[]]",
            "an internal contradiction",
            "read-committed",
        ),
        (
            "a append 'x' 1: None\nb txn [('r','x'),('r','x')]: [[],[1]]",
            "an internal contradiction",
            "read-committed",
        ),
    ],
)
def test_an_anomaly_is_found_where_its_level_excludes_it(record, text, name, lowest):
    """Each anomaly is found, by its name, from the level on that excludes it, and not below."""
    for number, level in enumerate(LEVELS):
        verdict = record(text).judge(simloop.ListAppend(level))
        assert verdict.holds is (number < LEVELS.index(lowest)), level
        if not verdict.holds:
            assert str(verdict).startswith(f"not {level}: {name}")


@pytest.mark.parametrize(
    "answer",
    ["[[1],[]]", "[('append','x',1),('r','x',[1]),('r','y',None)]", "[[1],None]", "([1],[])"],
)
def test_a_transaction_gives_its_lists_or_its_steps(record, answer):
    """Both ways to write down what was read mean the same."""
    text = f"a txn [('append','x',1),('r','x'),('r','y')]: {answer}"
    record(text).check(simloop.ListAppend())


def test_steps_may_stand_side_by_side(record):
    """A transaction takes its steps as arguments as well as in a list."""
    history = simloop.History()
    history.invoke("a", "txn", ("append", "x", 1), ("r", "x", None)).ok([[1]])
    history.check(simloop.ListAppend())


def test_a_transaction_of_unknown_outcome_that_was_read_was_done(record):
    """What is read of a transaction without an answer makes the rest of it count, too."""
    text = "a txn [('append','x',1),('append','y',1)]\na unknown\nb read 'x': [1]\nb read 'y': []"
    assert not record(text).judge(simloop.ListAppend()).holds
    assert record(text.replace("'x': [1]", "'x': []")).judge(simloop.ListAppend()).holds


def test_thousands_of_transactions_are_no_deep_recursion(record):
    """A long chain of transactions, of which the last read is old, is found with a short cycle."""
    lines = [f"a append 'x' {n}: None" for n in range(2000)]
    history = record(
        "\n".join(
            [*lines, "b read 'x': [0]", f"c read 'x': {list(range(2000))}".replace(", ", ",")]
        )
    )
    verdict = history.judge(simloop.ListAppend())
    assert not verdict.holds
    assert str(verdict).count("  b's #4000 before ") == 1
    assert len(str(verdict).splitlines()) < 20

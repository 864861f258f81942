"""A sweep gives what one process gives that runs number after number, whatever its workers do."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simloop.sweeps.crew import Broken, Ended, Refined, Returned, Told
from simloop.sweeps.sweeping import Sweeping
from simloop.sweeps.work import Refining, Runs, parts_of


class Numbers:
    """Work whose every run is known beforehand."""

    def __init__(self, failures, last=None, *, error=None, short=()):
        self.failures, self.last, self.error, self.short = failures, last, error, short
        self.ran = []
        self.at = 0

    def open(self):
        pass

    def skip_to(self, number):
        self.at = number

    def run(self, number):
        assert number == self.at
        self.at += 1
        if self.last is not None and number > self.last:
            return None
        if number == self.error:
            raise LookupError(number)
        if number in self.short:
            raise MemoryError
        self.ran.append(number)
        return self.failures.get(number, "")

    def run_told(self, number, tell):
        tell(["late", "a sleep", 1, number])
        return self.run(number)

    def detail(self):
        return {"at": self.at - 1}

    def take_tallies(self):
        ran, self.ran = self.ran, []
        return {"sum": ("sometimes", len(ran), sum(ran))} if ran else {}

    def refine(self, detail):
        return {**detail, "refined": True}


class Chaos:
    """A crew that does its tasks in any order, in pieces, and dies of some numbers."""

    def __init__(self, work, seed, size=3, deadly=()):
        self.size, self.work, self.deadly = size, work, deadly
        self.random = random.Random(seed)
        self.tasks, self.known, self.is_stopped = [], {}, False
        self.closed = 0

    def start(self):
        pass

    def has_room(self):
        return len(self.tasks) < 2 * self.size

    def give(self, task):
        assert not self.closed
        self.tasks.append(task)

    def stop(self):
        self.is_stopped = True

    def close(self):
        self.closed += 1

    def wait(self, timeout_s):
        if not self.tasks:
            return []
        task = self.tasks.pop(self.random.randrange(len(self.tasks)))
        if self.random.random() < 0.1:
            return [Returned(task)]
        if isinstance(task, Refining):
            return [Refined(task.failure, self.work.refine(task.detail)), Ended(task)]
        return list(self.do(task))

    def do(self, task):
        known = self.known.setdefault(self.random.randrange(self.size), {})
        stops = self.random.randrange(task.first, task.end + 1) if self.is_stopped else None
        told = []

        def begin(number):
            return number != stops and number not in self.deadly

        for part in parts_of(self.work, task, known, begin, told.append if task.alone else None):
            at = part.end
            if part.is_short_of_memory and task.alone:
                yield Broken(task, at, "it died", ("told",))
                return
            yield Told(task, part)
        if at in self.deadly and task.first <= at < task.end:
            known.clear()
            number = at if self.random.random() < 0.5 else None
            yield Broken(task, number, "it died", ("told",) if task.alone else ())
        else:
            yield Ended(task)


def in_order(failures, end, stop, deadly=()):
    """The naive model: what is found, when it is over, and the sums."""
    found, counts, total, number = {}, {}, [], 0
    for number in range(1, end):
        if number in deadly:
            continue
        total.append(number)
        failure = failures.get(number, "")
        if failure:
            counts.setdefault(failure, []).append(number)
            found.setdefault(failure, number)
            if stop is not None and len(found) == stop:
                break
    return found, counts, total, number


FAILURES = st.dictionaries(st.integers(1, 60), st.sampled_from("ABCD"), max_size=12)


@given(FAILURES, st.integers(2, 60), st.sampled_from([None, 1, 2, 3]), st.integers(0, 99))
def test_findings_are_those_of_one_process(failures, end, stop, seed):
    """The lowest number of each failure, counts, sums and the end, in whatever order."""
    crew = Chaos(Numbers(failures), seed)
    sweeping = Sweeping(crew, end=end, stop=stop, refines=True)
    sweeping.run()
    found, counts, total, last = in_order(failures, end, stop)
    assert {each.failure: each.number for each, _ in sweeping.findings()} == found
    assert all(
        detail == {"at": each.number, "refined": True} for each, detail in sweeping.findings()
    )
    assert sweeping.ran == last
    assert {each: sweeping.numbers_of(each) for each in counts} == counts
    assert sweeping.tallies == {"sum": ("sometimes", len(total), sum(total))}
    assert crew.closed == 1


DEADLY = st.sets(st.integers(1, 60), max_size=4)


@given(FAILURES, DEADLY, DEADLY, st.integers(0, 99))
def test_what_breaks_workers_is_named_and_the_rest_is_done(failures, deadly, short, seed):
    """Each deadly number is lost, once, with what it told; every other one is counted once."""
    work = Numbers(failures, short=short)
    sweeping = Sweeping(Chaos(work, seed, deadly=deadly), end=61)
    sweeping.run()
    deadly = deadly | short
    found, counts, total, _ = in_order(failures, 61, None, deadly)
    lost = sweeping.lost_in_order()
    assert [each.number for each in lost] == sorted(deadly)
    assert all(each.how == "it died" and each.told == ("told",) for each in lost)
    assert {each.failure: each.number for each, _ in sweeping.findings()} == found
    assert {each: sweeping.numbers_of(each) for each in counts} == counts
    assert sweeping.tallies["sum"][1:] == (len(total), sum(total))
    assert sweeping.ran == 60


@given(st.integers(1, 40), st.integers(0, 99))
def test_the_end_is_found(last, seed):
    """Where a strategy has no more schedules, what is below is done and it is exhausted."""
    sweeping = Sweeping(Chaos(Numbers({}, last), seed))
    sweeping.run()
    assert sweeping.ran == last
    assert sweeping.is_exhausted


@given(st.integers(1, 40), st.sampled_from([{}, {5: "A"}]), st.integers(0, 99))
def test_an_error_ends_it_where_one_process_comes_to_it(number, failures, seed):
    """What a run raises is raised, unless the sweep is over before its number."""
    sweeping = Sweeping(Chaos(Numbers(failures, error=number), seed), end=50, stop=1)
    if failures and number > 5:
        sweeping.run()
        assert sweeping.ran == 5
    else:
        with pytest.raises(LookupError, match=f"^{number}$"):
            sweeping.run()


def test_parts_that_were_done_before_are_counted_once():
    """A part of a number that is done already is left out, and what is missing is run."""
    work = Numbers({3: "A", 30: "B"})
    before = list(parts_of(work, Runs(1, 11), {})) + list(parts_of(work, Runs(5, 15), {}))
    before += list(parts_of(work, Runs(20, 26), {}))
    sweeping = Sweeping(Chaos(work, 1), end=41)
    sweeping.know(before, [])
    assert sweeping.ran == 16
    sweeping.run()
    assert sweeping.ran == 40
    assert sweeping.tallies["sum"][1:] == (40, sum(range(41)))
    assert [each.number for each, _ in sweeping.findings()] == [3, 30]

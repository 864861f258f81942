"""Threads that ended with their run: a later run that wants one is told so, by name."""

from __future__ import annotations

import asyncio
import gc
import queue
import threading
import time

import pytest

import simloop
from simloop._threads import broken_off


class Worker:
    """Serves a queue, for ever."""

    def __init__(self):
        self.jobs = queue.Queue()
        self.done = []

    def start(self):
        threading.Thread(target=self.work, name="the worker", daemon=True).start()

    def work(self):
        while (job := self.jobs.get()) is not None:
            self.done.append(job)
            self.jobs.task_done()

    async def begin(self):
        self.start()
        self.jobs.put(1)
        self.jobs.join()


@pytest.mark.parametrize("put", ["put", "put_nowait"])
def test_a_put_into_a_queue_that_nothing_serves_any_more(put):
    """It is an error where it is called, which names the thread and where it waited."""
    worker = Worker()
    simloop.run(worker.begin())

    async def main():
        getattr(worker.jobs, put)(2)

    with pytest.raises(simloop.UsageError, match=r"'the worker' .*earlier run(.|\n)*test_broken"):
        simloop.run(main())
    assert worker.done == [1]


def test_a_worker_that_each_run_begins_works_in_each():
    """Where the run has begun such a thread itself, nothing is refused."""
    worker = Worker()
    for _ in range(3):
        simloop.run(worker.begin())
    assert worker.done == [1, 1, 1]
    worker.jobs.put(2)  # Outside it is what it was: a queue that nothing serves.
    assert worker.jobs.get(timeout=5) == 2


def test_a_join_of_a_thread_that_was_broken_off():
    """A later run that joins it is told that it never came to its end."""
    thread = threading.Thread(target=time.sleep, args=(100,), name="late")

    async def begin():
        thread.start()

    async def join():
        thread.join()

    simloop.run(begin())
    with pytest.raises(simloop.UsageError, match=r"join\(\): the thread 'late'"):
        simloop.run(join())
    thread.join()  # Outside, where a fixture may do so.


def test_a_deadlock_names_it():
    """A wait for what it would have done tells of it, whatever was waited by."""
    asked, answered = queue.SimpleQueue(), threading.Event()

    def work():
        while asked.get():
            answered.set()

    thread = threading.Thread(target=work, name="answering", daemon=True)

    async def begin():
        thread.start()

    async def ask():
        asked.put(1)
        answered.wait()

    simloop.run(begin())
    with pytest.raises(simloop.DeadlockError, match=r"'answering' .*ended with an earlier run"):
        simloop.run(ask())


def serve_lock(jobs):
    jobs.acquire()


def serve_event(jobs):
    jobs.wait()


def serve_condition(jobs):
    with jobs:
        jobs.wait()


def serve_simple_queue(jobs):
    jobs.get()


@pytest.mark.parametrize(
    ("serve", "make", "give"),
    [
        (serve_lock, threading.Lock, lambda jobs: jobs.locked()),
        (serve_event, threading.Event, threading.Event.set),
        (serve_condition, threading.Condition, lambda jobs: jobs.acquire() and jobs.notify()),
        (serve_simple_queue, queue.SimpleQueue, lambda jobs: jobs.put(1)),
    ],
)
def test_a_deadlock_names_a_thread_of_which_only_what_it_waited_at_is_left(serve, make, give):
    """Its object is gone; what it served is there still, and a later run uses it."""
    jobs = make()
    if serve is serve_lock:
        jobs.acquire()

    async def begin():
        threading.Thread(target=serve, args=(jobs,), name="keeper", daemon=True).start()

    async def ask():
        give(jobs)
        await asyncio.get_running_loop().create_future()

    simloop.run(begin())
    gc.collect()
    with pytest.raises(simloop.DeadlockError, match=r"'keeper' .*ended with an earlier run"):
        simloop.run(ask())


async def stands_in_a_job():
    lock = threading.Lock()
    lock.acquire()
    await asyncio.to_thread(lock.acquire)


async def stands_in_a_thread():
    lock = threading.Lock()
    lock.acquire()
    thread = threading.Thread(target=lock.acquire)
    thread.start()
    thread.join()


@pytest.mark.parametrize("program", [stands_in_a_job, stands_in_a_thread])
def test_what_an_earlier_run_left_is_no_part_of_a_later_one(program):
    """A deadlock is the same in the first run and the third: a note on the others is a note."""
    ended = [simloop.simulate(program) for _ in range(3)]
    assert len(dict.fromkeys(each.digest for each in ended)) == 1
    assert len(dict.fromkeys(str(each.error) for each in ended)) == 1


def test_nothing_is_kept_of_what_is_gone():
    """A thread of which nothing is left, neither its object nor its queue, is forgotten."""
    for _ in range(3):
        simloop.run(Worker().begin())
    gc.collect()
    assert not any("Worker.work" in each.what for each in broken_off._known)
    worker = Worker()
    simloop.run(worker.begin())
    assert sum("Worker.work" in each.what for each in broken_off._known) == 1

"""Executors' processes find what one process finds, and what can't go there is told before."""

from __future__ import annotations

import asyncio
import ctypes
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor

import pytest

import simloop
from simloop.errors import UnsupportedError, UsageError
from simloop.exploration.program import Program
from simloop.exploration.sweeping import shipping
from simloop.exploration.sweeping.shipping import ship
from simloop.sweeps import executor_crew, executor_worker
from simloop.sweeps.executor_worker import do, greet
from simloop.sweeps.work import Refining, Runs
from simloop.world.run_options import RunOptions

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


async def late() -> None:
    """Fails by a choice and by a delay; a property is asked."""
    kind = simloop.choose(40, "kind")
    simloop.sometimes(kind == 7, "seven")
    if kind == 33:
        raise LookupError(kind)
    async with asyncio.timeout(1):
        await asyncio.sleep(0.9)


async def fatal() -> None:
    """Crashes with one seed."""
    await asyncio.sleep(1)
    if simloop.current_world().seed == 77:
        ctypes.string_at(0)


def told(found):
    failures = [
        (each.found_at, each.kind, each.schedule, each.original, each.runs, each.outcome.digest)
        for each in found.failures
    ]
    return found.ran, found.exhausted, failures, found.properties


def _sent(thing):
    return pickle.loads(pickle.dumps(thing))  # noqa: S301 - just made


class Here(Executor):
    """An executor that does everything at once, in this process or in what it takes for another."""

    def __init__(self, pid=None):
        self.pid = pid
        self.sent = 0

    def submit(self, function, /, *args):
        future = Future()
        self.sent += 1
        try:
            result = _sent(function(*_sent(args)))
            if function is greet and self.pid is not None:
                result = self.pid, result[1]
            future.set_result(result)
        except Exception as error:  # noqa: BLE001 - an executor takes any
            future.set_exception(error)
        return future


class Breaking(Here):
    """An executor that works for a while."""

    def __init__(self, error, after, *, at_submit=False):
        super().__init__(pid=1)
        self.error, self.after, self.at_submit = error, after, at_submit

    def submit(self, function, /, *args):
        if self.sent < self.after:
            return super().submit(function, *args)
        if self.at_submit:
            raise self.error
        future = Future()
        future.set_exception(self.error)
        return future


@pytest.mark.parametrize("strategy", ["timing", ["timing", "single"], "pct:2"], ids=str)
def test_packed_work_finds_the_same(strategy) -> None:
    """All that a schedule depends on travels: strategy, measure, seed, options, caps."""
    given = {"schedules": 150, "stop": None, "strategy": strategy, "max_time": 50.0, "seed": 3}
    one = simloop.explore(late, **given)
    other = simloop.explore(late, executor=Here(pid=1), **given)
    assert told(other) == told(one)
    assert one.failures


def test_packed_seeds_find_the_same() -> None:
    """A function within a function goes as its code, with what it has closed over."""

    def program(limit):
        async def main() -> None:
            if simloop.current_world().seed % 50 == limit:
                raise LookupError

        return main

    one, other = (
        simloop.sweep(program(7), seeds=range(120), executor=executor)
        for executor in (None, Here(pid=1))
    )
    assert [each.seeds for each in other.failures] == [[7, 57, 107]]
    assert [each.seeds for each in one.failures] == [[7, 57, 107]]


def test_what_is_no_executor_of_processes_is_refused() -> None:
    """A number, a client, threads, an executor that works here, and a number of jobs beside."""

    class Client:
        def get_executor(self):
            pass

    with pytest.raises(UsageError, match=r"takes a concurrent\.futures\.Executor"):
        simloop.explore(late, executor=3)
    with pytest.raises(UsageError, match=r"client\.get_executor"):
        simloop.explore(late, executor=Client())
    with ThreadPoolExecutor() as executor, pytest.raises(UnsupportedError, match="jobs=N"):
        simloop.sweep(late, executor=executor)
    with pytest.raises(UnsupportedError, match="in this process"):
        simloop.explore(late, executor=Here())
    with pytest.raises(UsageError, match="beside executor="):
        simloop.explore(late, executor=Here(), jobs=2)


@pytest.mark.skipif(sys.version_info < (3, 14), reason="interpreters came with 3.14")
def test_interpreters_are_refused() -> None:
    """They share one process, which a run takes over."""
    from concurrent.futures import InterpreterPoolExecutor

    with InterpreterPoolExecutor() as executor, pytest.raises(UnsupportedError, match="interpret"):
        simloop.explore(late, executor=executor)


def test_what_can_t_go_is_told_before_the_first_run() -> None:
    """A closure over a lock, and a module that is in no file."""
    lock, runs = threading.Lock(), []

    async def locked() -> None:
        runs.append(lock)

    executor = Here(pid=1)
    with pytest.raises(UsageError, match=r"cannot pickle '_thread\.lock'.* jobs=N"):
        simloop.explore(locked, executor=executor)
    with pytest.raises(UsageError, match=r"cannot pickle '_thread\.lock'"):
        simloop.sweep(locked, executor=executor)
    assert not runs
    assert not executor.sent


only_here = threading.Lock()


async def reads_a_global() -> None:
    """Read a global in a function within, as a program with a lock of its module does."""

    async def inner() -> None:
        with only_here:
            await asyncio.sleep(1)

    await inner()


def test_a_global_that_a_worker_lacks_is_told_before_the_first_run(monkeypatch) -> None:
    """It is made under the guard of ``__main__``; as a NameError it looks like the program's."""
    given = {"options": RunOptions(), "seeds": range(3)}
    packed = ship("seeds", reads_a_global, "program", given)
    assert pickle.loads(packed).load() is not None  # noqa: S301 - our own
    monkeypatch.delitem(globals(), "only_here")
    with pytest.raises(UsageError, match="program reads the global 'only_here', which a worker"):
        pickle.loads(packed).load()  # noqa: S301 - our own


def test_a_main_module_without_a_file_can_t_go(monkeypatch) -> None:
    """As in a notebook: nothing tells another process what is in it."""
    module = type(sys)("__main__")
    exec("async def main():\n    await ended", vars(module))  # noqa: S102 - a notebook does
    monkeypatch.setitem(sys.modules, "__main__", module)
    monkeypatch.setattr(sys, "orig_argv", ["python"])
    with pytest.raises(UsageError, match="its module is in no file"):
        simloop.explore(module.main, executor=Here(pid=1))


def test_an_executor_that_is_down_is_told_before_the_first_run() -> None:
    """It raises at once, and nothing has run."""
    executor = ProcessPoolExecutor(1)
    executor.shutdown()
    with pytest.raises(UsageError, match="cannot schedule new futures after shutdown"):
        simloop.explore(late, executor=executor)


def test_versions_that_differ_are_told(monkeypatch) -> None:
    """Another source, or another Python, is named before the first run and by any worker."""
    sent = executor_worker._unpacked
    monkeypatch.setattr(
        executor_worker,
        "_unpacked",
        lambda *args: _changed(sent(*args), {"source": "ffff", "python": "3.99"}),
    )
    with pytest.raises(UsageError, match=r"source is .* and not 'ffff', python is .* '3\.99'"):
        simloop.explore(late, executor=Here(pid=1))
    executor = Here(pid=1)
    monkeypatch.setattr(executor_worker, "greet", greet)
    packed = ship("seeds", late, "late", {"options": RunOptions(), "seeds": range(3)})
    answer = do("a key of its own", packed, [], Runs(1, 3), 0, 0.0)
    assert "source is" in answer.differs
    assert not answer.parts
    assert not executor.sent


def _changed(shipped, other):
    shipped.about = {**shipped.about, **other}
    return shipped


@pytest.mark.parametrize("at_submit", [False, True])
def test_an_executor_that_breaks_keeps_what_was_done(at_submit) -> None:
    """The sweep ends, and its report says which runs were in work and what the way out is."""
    error = RuntimeError("cannot schedule new futures after shutdown")
    executor = Breaking(error, after=6, at_submit=at_submit)
    swept = simloop.sweep(late, seeds=range(5_000), executor=executor)
    assert swept.interrupted
    assert 0 < swept.ran < 5_000
    assert "of no use any more" in str(swept)
    assert "jobs=N survives" in str(swept)


def test_a_worker_that_is_gone_costs_its_task_once_more() -> None:
    """What a scheduler tells of a lost worker is narrowed to one run, which is named."""

    class Loses(Here):
        def submit(self, function, /, *args):
            task = args[3] if function is do else None
            if isinstance(task, Runs) and task.first <= 40 < task.end:
                future = Future()
                future.set_exception(ValueError("lost worker"))
                return future
            return super().submit(function, *args)

    swept = simloop.sweep(late, seeds=range(100), executor=Loses(pid=1))
    assert swept.ran == 100
    ((lost),) = swept.lost
    assert (lost.number, lost.seed) == (40, 39)
    assert "lost worker" in lost.how
    assert swept.properties["seven"].asked == 99


def test_work_is_loaded_once_and_refined() -> None:
    """A process keeps the work of one sweep; shrinking is a task like others."""
    program = Program(late, {}, simloop.Delays())
    given = {
        "options": {},
        "delays": program.delays,
        "failures": program.failures,
        "strategy": simloop.exploration.strategies.strategy_of("timing", sleeps=False),
        "seed": 0,
        "start": 2,
    }
    packed = ship("schedules", late, program.name, given)
    assert greet(packed, sys.path) == (os.getpid(), "")
    answer = do("key", packed, sys.path, Runs(2, 300), 0, 30.0)
    loaded = executor_worker._loaded["key"]
    found = [each for part in answer.parts for each in part.findings]
    assert found
    refined = do("key", packed, sys.path, Refining(found[0].failure, found[0].detail), 0, 0.0)
    assert len(refined.refined["shrunk"]) <= len(found[0].detail["taken"])
    assert executor_worker._loaded["key"] is loaded
    do("other", packed, sys.path, Runs(2, 3), 0, 0.0)
    assert list(executor_worker._loaded) == ["other"]


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_pool_of_processes_finds_the_same(method) -> None:
    """However its processes come about; one that dies ends the pool, and is told."""
    context = multiprocessing.get_context(method)
    one = simloop.explore(late, schedules=200, stop=None)
    with ProcessPoolExecutor(2, mp_context=context) as executor:
        assert told(simloop.explore(late, schedules=200, stop=None, executor=executor)) == told(one)
        swept = simloop.sweep(fatal, seeds=range(300), executor=executor)
        assert swept.interrupted
        assert "terminated abruptly" in str(swept)


def _ran(script):
    line = [sys.executable, "-c", script, os.path.dirname(__file__)]  # noqa: PTH120 - text
    return subprocess.run(line, capture_output=True, text=True, check=False, timeout=300)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="there are no alarms")
def test_a_run_that_keeps_the_interpreter_to_itself_ends_its_process() -> None:
    """Nothing in Python could end it; where it stands is on stderr."""
    done = _ran(
        "import re\n"
        "from simloop.sweeps.executor_worker import _Watch\n"
        "_Watch(0.2).begin(1)\n"
        "re.match(r'(a+)+$', 'a' * 64 + 'b')\n"
    )
    assert done.returncode == -signal.SIGALRM
    assert 'File "<string>", line 4 in <module>' in done.stderr


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks there")
def test_a_pool_that_is_forked_beside_a_watchdog_works() -> None:
    """Pytest's faulthandler_timeout has a thread that a forked process would wait for, for ever."""
    done = _ran(
        "import faulthandler, multiprocessing, sys, warnings\n"
        "from concurrent.futures import ProcessPoolExecutor\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "import simloop\n"
        "from test_executors import late\n"
        "warnings.simplefilter('ignore')\n"
        "faulthandler.dump_traceback_later(250, exit=True)\n"
        "with ProcessPoolExecutor(2, multiprocessing.get_context('fork')) as executor:\n"
        "    print(simloop.explore(late, schedules=60, stop=None, executor=executor).ran)\n"
    )
    assert (done.returncode, done.stdout) == (0, "60\n"), done.stderr


@pytest.mark.slow
def test_loky_finds_the_same() -> None:
    """Joblib's executor, whose processes are reused."""
    loky = pytest.importorskip("loky")
    one = simloop.explore(late, schedules=200, stop=None)
    executor = loky.get_reusable_executor(2)
    try:
        assert told(simloop.explore(late, schedules=200, stop=None, executor=executor)) == told(one)
    finally:
        executor.shutdown(wait=True, kill_workers=True)


class Deserted(Here):
    """A cluster, as Dask's client shows it, whose workers are gone after a while."""

    class Client:
        def __init__(self):
            self.workers = {"tcp://one": 1}

        def nthreads(self):
            return self.workers

    def __init__(self, after):
        super().__init__(pid=1)
        self.after = after
        self._client = self.Client()

    def submit(self, function, /, *args):
        if self.sent < self.after:
            return super().submit(function, *args)
        self._client.workers = {}
        return Future()


def test_a_cluster_that_lost_its_workers_ends_the_search(monkeypatch) -> None:
    """It never says so: what it was given would be waited for for ever."""
    monkeypatch.setattr(executor_crew, "_LOOK_S", 0.0)
    monkeypatch.setattr(executor_crew, "_PATIENCE_S", 0.0)
    found = simloop.explore(late, schedules=100_000, stop=None, executor=Deserted(after=4))
    assert 0 < found.ran < 100_000
    assert "it has had no worker for" in str(found)


class Unlucky(Here):
    """An executor that loses the second task that it is given, and then the first run alone."""

    def submit(self, function, /, *args):
        if self.sent in (2, 3):
            self.sent += 1
            future = Future()
            future.set_exception(OSError("the worker died"))
            return future
        return super().submit(function, *args)


def test_a_run_is_named_when_it_has_broken_a_worker_twice() -> None:
    """A worker that is gone by itself, as a cluster's is now and then, accuses no run."""
    one = simloop.explore(late, schedules=60, stop=None)
    other = simloop.explore(late, schedules=60, stop=None, executor=Unlucky(pid=1))
    assert told(other) == told(one)
    assert other.lost == []


def on_dask(text, tmp_path):
    """Run lines with an executor of Dask's: a scheduler and two workers, processes, over TCP."""
    pytest.importorskip("distributed")
    line = [sys.executable, "-c", DASK.replace("LINES", text), os.path.dirname(__file__)]  # noqa: PTH120 - text
    done = subprocess.run(
        line, capture_output=True, text=True, cwd=tmp_path, check=False, timeout=600
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.slow
def test_dask_finds_the_same(tmp_path) -> None:
    """Its workers come to the same findings, tokens and numbers of runs."""
    one = simloop.explore(late, schedules=200, stop=None)
    lines = (
        "found = simloop.explore(late, schedules=200, stop=None, executor=executor)\n"
        "        print([(it.found_at, it.schedule.token, it.runs) for it in found.failures])"
    )
    assert on_dask(lines, tmp_path) == [
        repr([(each.found_at, each.schedule.token, each.runs) for each in one.failures])
    ]


@pytest.mark.slow
def test_a_worker_of_dask_may_crash(tmp_path) -> None:
    """The seed that it died of is named, no other one is, and the sweep goes on with the rest."""
    lines = (
        "swept = simloop.sweep(fatal, seeds=range(60, 100), executor=executor)\n"
        "        print(swept.ran, [each.seed for each in swept.lost], len(swept.failures))"
    )
    assert on_dask(lines, tmp_path) == ["40 [77] 0"]


DASK = """
import sys
sys.path.insert(0, sys.argv[1])
import dask
import simloop
from test_executors import fatal, late
from distributed import Client, LocalCluster

if __name__ == "__main__":
    dask.config.set({"distributed.scheduler.allowed-failures": 0})
    with LocalCluster(
        n_workers=2, threads_per_worker=2, processes=True, dashboard_address=None, protocol="tcp"
    ) as cluster, Client(cluster) as client:
        executor = client.get_executor()
        LINES
"""


def test_a_forked_process_has_the_main_module_already(monkeypatch) -> None:
    """It is not run again there; where multiprocessing spawns, its name is another one."""
    packed = shipping.PackedProgram(b"", "__main__", __file__, None, [], None)
    module = type(sys)("__main__")
    module.__file__ = __file__
    monkeypatch.setitem(sys.modules, "__main__", module)
    assert shipping._is_main_here(packed)
    module.__name__ = "__mp_main__"
    assert not shipping._is_main_here(packed)

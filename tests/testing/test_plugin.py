"""The pytest plugin: each test writes a small suite and runs pytest on it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

WITH_ASYNCIO = ("-p", "asyncio", "-o", "asyncio_default_fixture_loop_scope=function")


def test_a_marked_test_runs_in_virtual_time(suite) -> None:
    """An hour of sleep costs nothing, and the clocks that everybody knows show it."""
    result = suite("""
    @pytest.mark.simloop
    async def test_hour():
        before = time.monotonic()
        await asyncio.sleep(3600)
        assert asyncio.get_running_loop().time() == 3600.0
        assert time.monotonic() - before == 3600.0
    """)
    result.assert_outcomes(passed=1)


def test_the_mark_takes_the_options_of_run(suite) -> None:
    """Options of class and function marks add up, the nearest winning."""
    result = suite("""
    @pytest.mark.simloop(seed=7, start_time=60, autojump=False)
    class TestOptions:
        @pytest.mark.simloop(seed="eight")
        async def test_it(self, simloop_loop):
            assert asyncio.get_running_loop() is simloop_loop
            assert simloop_loop.world.seed == "eight"
            assert not simloop_loop.autojump
            await simloop_loop.advance(5)
            assert simloop_loop.time() == 65.0

    @pytest.mark.simloop(max_time=10)
    async def test_limit():
        await asyncio.sleep(11)
    """)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*LimitError: the next deadline is at 11.0 s*"])


@pytest.mark.parametrize("options", [[], ["--simloop-explore=3"]])
def test_a_test_finds_its_world(suite, options) -> None:
    """The fixture is the world that the test runs in, with hosts; an explored test has many."""
    result = suite(
        """
    @pytest.mark.simloop
    async def test_it(simloop_world):
        from simloop import current_world
        assert simloop_world is current_world()
        assert not simloop_world.hosts
        host = simloop_world.add_host("db", asyncio.sleep, args=(5,))
        assert await host.processes[0].exited() == 0

    def test_from_outside(simloop_world, simloop_loop):
        assert simloop_world is simloop_loop.world
    """,
        *options,
    )
    result.assert_outcomes(passed=2)


@pytest.mark.parametrize("arguments", ["sede=3", "7"])
def test_an_unknown_option_is_refused(suite, arguments) -> None:
    """A mark with something that run() does not take is an error that names both."""
    result = suite(f"""
    @pytest.mark.simloop({arguments})
    async def test_it():
        pass
    """)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        [f"*test_it got {arguments}; it takes seed, start_time, start_date,*"]
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("world=None", "*got world=None: each test has a world of its own*"),
        ("max_tme=3", "*got max_tme=3; *did you mean max_time*"),
        ("max_steps=0", "*max_steps=0; it takes a whole number above 0*"),
    ],
)
def test_an_option_that_cannot_act_is_refused(suite, arguments, message) -> None:
    """A mark with a world, a misspelt option or a value that means nothing says the way out."""
    result = suite(f"""
    @pytest.mark.simloop({arguments})
    async def test_it():
        pass
    """)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([message])
    result.stdout.no_fnmatch_line("*run_options.py*")  # One line, and no frames of ours.


def test_fixtures_of_every_kind_share_the_loop(suite) -> None:
    """Async fixtures, methods among them, run on the test's loop; what they yield is taken down."""
    result = suite("""
    import contextvars
    pytestmark = pytest.mark.simloop
    ended, number = [], contextvars.ContextVar("number")

    @pytest.fixture
    async def early(tmp_path):
        await asyncio.sleep(1)
        number.set(5)
        return asyncio.get_running_loop()

    @pytest.fixture
    async def served(early):
        await asyncio.sleep(1)
        yield early
        await asyncio.sleep(5)
        ended.append(early.time())

    class TestMethods:
        @pytest.fixture
        async def me(self):
            return self

        @pytest.mark.parametrize("n", [1, 2])
        async def test_methods(self, me, served, simloop_loop, n):
            assert me is self
            assert number.get() == 5
            assert asyncio.get_running_loop() is served is simloop_loop
            await asyncio.sleep(n)
            assert served.time() == 2.0 + n

    def test_they_ended(request):
        assert ended == [8.0, 9.0]

    @pytest.fixture
    async def twice():
        yield 1
        yield 2

    async def test_twice(twice):
        pass

    @pytest.fixture(scope="module")
    async def wide():
        pass

    async def test_wide(wide):
        pass
    """)
    result.assert_outcomes(passed=4, errors=2)
    result.stdout.fnmatch_lines(["*async fixture 'twice' yielded again: 2*"])
    result.stdout.fnmatch_lines(
        ["*async fixture 'wide' has scope 'module', and each simloop test*"]
    )


@pytest.mark.parametrize("explored", [False, True])
def test_an_async_fixture_that_is_asked_for_in_the_middle_is_refused_with_the_way_out(
    suite, explored
) -> None:
    """It would have to run on a loop that runs already: pytest's own error speaks of a Runner."""
    mark = "simloop(explore=2)" if explored else "simloop"
    result = suite(f"""
    @pytest.fixture
    async def one():
        return 1

    @pytest.fixture
    def early(request):
        return request.getfixturevalue("one")

    @pytest.mark.{mark}
    async def test_in_the_middle(request):
        request.getfixturevalue("one")

    @pytest.mark.simloop
    async def test_before(early):
        assert early == 1
    """)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        ["*'one' was asked for while a loop runs*name 'one' among the test's*"]
    )
    result.stdout.no_fnmatch_line("*Runner*")


def test_a_plain_test_can_drive_the_loop(suite) -> None:
    """The fixture gives a test that is not async a loop, with the options of its mark."""
    result = suite("""
    @pytest.mark.simloop(start_time=5)
    def test_plain(simloop_loop):
        seen = []
        simloop_loop.call_later(10, seen.append, "due")
        simloop_loop.run_until(15)
        assert (seen, simloop_loop.time()) == (["due"], 15.0)
    """)
    result.assert_outcomes(passed=1)


def test_a_deadlock_tells_where_and_replays(suite) -> None:
    """The report shows the line that waits, the pending tasks, seed, time and replay."""
    result = suite("""
    @pytest.mark.simloop
    async def test_stuck():
        gate = asyncio.Event()
        helper = asyncio.create_task(gate.wait(), name="helper")
        await asyncio.sleep(90)
        await helper
    """)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            ">*await helper",
            "*DeadlockError: nothing is ready at 90.0 s of virtual time*2 pending tasks:",
            "*test_stuck*waits for the task helper*",
            "*helper*waits for the event*",
            "*- simloop -*",
            "seed 0, virtual time 90.0 s, * steps",
            "replay: pytest test_suite.py::test_stuck --simloop-seed=0",
        ]
    )
    assert "kernel.py" not in result.stdout.str()


FAILING = """
    @pytest.fixture
    async def drawn():
        await asyncio.sleep(1)
        return random.random()

    @pytest.mark.simloop
    @pytest.mark.parametrize("n", ["it's"])
    async def test_draw(drawn, n):
        await asyncio.sleep(random.random())
        assert (drawn, random.random()) is None
"""


def replay_line(text: str) -> str:
    return re.search(r"^replay: (.*)$", text, re.MULTILINE)[1]


@pytest.mark.slow
@pytest.mark.parametrize("seed", ["7", "seven", "random"])
def test_the_replay_line_replays(suite, pytester, seed) -> None:
    """The printed line, given to a shell, fails in the same way, with the same numbers."""
    result = suite(FAILING, f"--simloop-seed={seed}")
    result.assert_outcomes(failed=1)
    text = result.stdout.str()
    environment = dict(os.environ)
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    done = subprocess.run(
        ["bash", "-c", replay_line(text)],  # noqa: S607 - any shell
        cwd=pytester.path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(r"^E .*", done.stdout, re.MULTILINE)[0] in text
    assert re.search(r"^seed .*", done.stdout, re.MULTILINE)[0] in text
    assert replay_line(done.stdout) == replay_line(text)


def test_the_replay_line_of_a_mark_with_a_seed_needs_no_option(suite) -> None:
    """The seed in the mark holds, whatever the command line says."""
    result = suite(
        """
    @pytest.mark.simloop(seed=3)
    async def test_it():
        assert asyncio.get_running_loop().world.seed == 4
    """,
        "--simloop-seed=9",
    )
    result.stdout.fnmatch_lines(
        ["*simloop: seed 9*", "seed 3, *", "replay: pytest test_suite.py::test_it"]
    )


def test_strict_mode_leaves_unmarked_tests_alone(suite) -> None:
    """Without the mark an async test is no business of ours, and pytest says so."""
    result = suite("async def test_it(): pass")
    result.stdout.fnmatch_lines(["*async def functions are not natively supported*"])


def test_auto_mode_takes_what_nobody_claims(suite, pytester) -> None:
    """In the auto mode async tests run in virtual time, unless another plugin's mark is on them."""
    result = suite(
        """
    async def test_ours():
        await asyncio.sleep(3600)

    @pytest.mark.asyncio
    async def test_theirs():
        assert not hasattr(asyncio.get_running_loop(), "world")

    def test_plain():
        pass
    """,
        *("-o", "simloop_mode=auto", *WITH_ASYNCIO),
    )
    result.assert_outcomes(passed=3)


def test_another_mode_is_refused(suite) -> None:
    """The ini option is one of three words."""
    result = suite("", "-o", "simloop_mode=loose")
    result.stderr.fnmatch_lines(["*simloop_mode is 'loose'; it is strict, auto or all"])


def test_our_mark_wins_over_pytest_asyncios_auto_mode(suite) -> None:
    """A suite in asyncio_mode=auto has our tests and fixtures on our loop."""
    result = suite(
        """
    import simloop, pytest_asyncio

    @pytest.fixture
    async def where():
        yield asyncio.get_running_loop()

    @pytest_asyncio.fixture
    async def there():
        return asyncio.get_running_loop()

    @pytest.mark.simloop
    async def test_ours(where, there):
        assert isinstance(where, simloop.SimLoop)
        assert asyncio.get_running_loop() is where is there

    async def test_theirs(where):
        assert asyncio.get_running_loop() is where
        assert not isinstance(where, simloop.SimLoop)
    """,
        *("-o", "asyncio_mode=auto", *WITH_ASYNCIO),
    )
    result.assert_outcomes(passed=2)


def test_subtests_skips_and_expected_failures(suite) -> None:
    """What pytest offers inside a test works in an async one, by virtual time."""
    result = suite("""
    pytestmark = pytest.mark.simloop
    import simloop

    async def test_subtests(subtests):
        for n in range(3):
            with subtests.test(n=n):
                await asyncio.sleep(10)
                assert n != 1

    async def test_skip():
        await asyncio.sleep(1)
        pytest.skip("enough")

    @pytest.mark.xfail(raises=simloop.DeadlockError, strict=True)
    async def test_expected():
        await asyncio.Event().wait()

    async def test_captured(capsys, caplog):
        print("out")
        assert capsys.readouterr().out == "out\\n"
    """)
    result.assert_outcomes(passed=1, failed=2, skipped=1, xfailed=1)
    result.stdout.fnmatch_lines(["*SUBFAILED*n=1*test_subtests*"])


def test_a_test_that_the_world_ended_cleans_up(suite) -> None:
    """After a deadlock, finally blocks and fixtures run, and may sleep."""
    result = suite("""
    ended = []

    @pytest.fixture
    async def resource():
        yield
        await asyncio.sleep(10)
        ended.append("fixture")

    @pytest.mark.simloop(autojump=False)
    async def test_stuck(resource):
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(1)
            ended.append("test")

    def test_after():
        assert ended == ["test", "fixture"]
    """)
    result.assert_outcomes(passed=1, failed=1)


@pytest.mark.slow
def test_properties_run_each_example_in_its_own_world(suite) -> None:
    """Hypothesis' examples each start at time 0 with the seed of the mark."""
    result = suite("""
    from hypothesis import given, settings, strategies as st
    seen = []

    @pytest.mark.simloop(seed=3)
    @settings(max_examples=5, database=None)
    @given(st.integers(0, 100))
    async def test_property(n):
        loop = asyncio.get_running_loop()
        assert loop.time() == 0.0
        await asyncio.sleep(n)
        seen.append(random.random())

    def test_after():
        assert len(seen) == 5
        assert seen == seen[:1] * 5
    """)
    result.assert_outcomes(passed=2)


@pytest.mark.slow
def test_workers_share_a_random_seed(suite, pytester) -> None:
    """With xdist the seed is drawn once, and every worker has it."""
    result = suite(
        """
    @pytest.mark.simloop
    @pytest.mark.parametrize("n", range(4))
    async def test_it(n):
        await asyncio.sleep(3600)
        assert asyncio.get_running_loop().world.seed is None
    """,
        *("-p", "xdist", "-n2", "--simloop-seed=random"),
    )
    result.assert_outcomes(failed=4)
    seeds = re.findall(r"^seed (\d+), virtual time 3600.0 s", result.stdout.str(), re.MULTILINE)
    assert len(seeds) == 4
    assert len(dict.fromkeys(seeds)) == 1


IMPORTED = """
import sys, pytest
class Look:
    def pytest_sessionfinish(self):
        print("loaded", "simloop.testing.plugin" in sys.modules, "simloop.world" in sys.modules)
pytest.main(["-q", "test_plain.py"], plugins=[Look()])
"""


@pytest.mark.slow
def test_a_run_without_marked_tests_does_not_import_the_engine(suite, pytester) -> None:
    """The plugin's front is all that such a run pays for."""
    pytester.makepyfile(test_plain="def test_plain(): pass", run=IMPORTED)
    assert "loaded True False" in pytester.runpython("run.py").stdout.str()


@pytest.mark.slow
def test_a_thousand_hours_take_seconds(suite) -> None:
    """A thousand tests that each sleep for an hour, each in a world of its own."""
    result = suite("""
    @pytest.mark.simloop
    @pytest.mark.parametrize("n", range(1000))
    async def test_hour(n):
        await asyncio.sleep(3600)
    """)
    result.assert_outcomes(passed=1000)
    assert result.duration < 60, "benchmarks/testing.py tells what each test takes"


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("--looptime",), ("-o", "asyncio_mode=auto")])
def test_looptime_beside_changes_nothing(suite, options) -> None:
    """With looptime's plugin loaded, or on for all tests, ours pass, and so do its own."""
    pytest.importorskip("looptime")
    result = suite(
        """
    @pytest.mark.simloop
    async def test_ours():
        await asyncio.sleep(3600)
        assert asyncio.get_running_loop().time() == 3600.0

    @pytest.mark.asyncio
    @pytest.mark.looptime
    async def test_theirs(looptime):
        await asyncio.sleep(3600)
        assert looptime == 3600
    """,
        *(*WITH_ASYNCIO, "-p", "looptime_plugin", *options),
    )
    result.assert_outcomes(passed=2)


CASES = """
import unittest
from simloop.testing import SimTestCase

class Sim(SimTestCase):
    seed = 5

    async def test_ours(self):
        await asyncio.sleep(3)
        assert self.loop.world.seed == 4

    async def test_stuck(self):
        await asyncio.create_task(asyncio.Event().wait(), name="helper")

class Stock(unittest.IsolatedAsyncioTestCase):
    async def test_stock(self):
        assert not hasattr(asyncio.get_running_loop(), "world")
"""


def test_cases_of_unittest_run_themselves(suite) -> None:
    """The strict mode leaves them alone; a SimTestCase tells its own seed and its own line."""
    result = suite(CASES)
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(["*assert 5 == 4", "*simloop: seed 5, virtual time 3.0 s, * steps"])
    result.stdout.fnmatch_lines(
        [
            ">*await asyncio.create_task(asyncio.Event().wait(), name=*",
            "*DeadlockError: nothing is ready*2 pending tasks:",
            "*waits for the task helper*",
            "*simloop: seed 5, virtual time 0.0 s, * steps",
        ]
    )
    result.stdout.no_fnmatch_line("replay:*")
    result = suite(CASES, "-o", "simloop_mode=auto")
    result.assert_outcomes(failed=3)  # The stock one has our loop, too.
    result.stdout.fnmatch_lines(["*simloop: seed 5, virtual time 3.0 s, * steps"])
    result.stdout.fnmatch_lines(["replay: pytest test_suite.py::Stock::test_stock *"])


def test_a_mark_that_can_do_nothing_is_refused(suite) -> None:
    """On a unittest case; on a SimTestCase only if it has options, which the class would have."""
    result = suite("""
    import unittest
    from simloop.testing import SimTestCase
    pytestmark = pytest.mark.simloop

    class Sim(SimTestCase):
        async def test_ours(self):
            await asyncio.sleep(3600)

    @pytest.mark.simloop(seed=3)
    class Seeded(SimTestCase):
        async def test_seeded(self):
            pass

    class Stock(unittest.IsolatedAsyncioTestCase):
        async def test_stock(self):
            pass

        def test_plain(self):
            pass
    """)
    result.assert_outcomes(passed=2, errors=2)
    result.stdout.fnmatch_lines_random(
        [
            "*the options of a SimTestCase are attributes of its class; Seeded has*",
            "*derive Stock from simloop.testing.SimTestCase*",
        ]
    )


def test_a_fixture_that_is_stuck_tells_where(suite) -> None:
    """In its beginning and in its end, without our own lines between."""
    result = suite("""
    pytestmark = pytest.mark.simloop

    @pytest.fixture
    async def never_begins():
        await asyncio.sleep(1)
        await asyncio.Event().wait()

    async def test_first(never_begins):
        pass

    @pytest.fixture
    async def never_ends():
        yield
        await asyncio.sleep(2)
        await asyncio.Event().wait()

    async def test_second(never_ends):
        pass
    """)
    result.assert_outcomes(passed=1, errors=2)
    result.stdout.fnmatch_lines_random(
        [
            "*nothing is ready at 1.0 s*",
            "*in never_begins",
            "seed 0, virtual time 1.0 s, *",
            "replay: pytest test_suite.py::test_first --simloop-seed=0",
            "*nothing is ready at 2.0 s*",
            "*in never_ends",
            "seed 0, virtual time 2.0 s, *",
            "replay: pytest test_suite.py::test_second --simloop-seed=0",
        ]
    )
    result.stdout.no_fnmatch_line("*runners.py*")
    result.stdout.no_fnmatch_line("*addfinalizer*")


def test_decorated_tests_are_run_as_decorated(suite) -> None:
    """What a decorator adds is not lost; virtual_time runs its function itself, mark or not."""
    result = suite(
        """
    import functools
    from unittest.mock import patch
    from simloop.testing import virtual_time

    def seed():
        return asyncio.get_running_loop().world.seed

    def twice(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            return function(*args, number=2, **kwargs)
        return wrapper

    @virtual_time(seed=7)
    async def test_decorator(tmp_path):
        assert (seed(), tmp_path.exists()) == (7, True)

    class TestMethods:
        @virtual_time(seed=8)
        async def test_decorator(self, tmp_path):
            assert seed() == 8

        @pytest.mark.simloop(seed=9)
        @twice
        async def test_wrapper(self, tmp_path, number=1):
            assert (seed(), number) == (9, 2)

        @pytest.mark.simloop(seed=10)
        @virtual_time(seed=11)
        async def test_both(self):
            assert seed() == 11

    @patch("os.getcwd", return_value="/nowhere")
    async def test_patched(getcwd):
        import os
        await asyncio.sleep(1)
        assert os.getcwd() == "/nowhere"
    """,
        *("-o", "simloop_mode=auto"),
    )
    result.assert_outcomes(passed=5)


@pytest.mark.slow
def test_everything_that_is_installed_is_loaded_beside(pytester, monkeypatch) -> None:
    """As pytest finds it: our plugin by its entry point, with all others that are there."""
    names = [each.name for each in metadata.entry_points(group="pytest11")]
    if "simloop_engine" not in names:
        pytest.skip("simloop is run from its files here, not installed")
    monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", raising=False)
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function")
    pytester.makepyfile(
        """
import asyncio
import pytest

@pytest.fixture
async def began():
    await asyncio.sleep(60)
    return asyncio.get_running_loop().time()

@pytest.mark.simloop
async def test_ours(began):
    await asyncio.sleep(3600)
    assert asyncio.get_running_loop().time() == began + 3600.0

@pytest.mark.asyncio
async def test_theirs():
    assert not hasattr(asyncio.get_running_loop(), "world")

def test_plain():
    pass
"""
    )
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=3)


@pytest.mark.slow
def test_the_engine_is_loaded_before_fixtures_replace_what_it_patches(pytester, monkeypatch):
    """A fixture of the session may put something of its own in the place of a clock."""
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p simloop.testing.plugin")
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("CI", raising=False)  # pytest shortens its summary elsewhere.
    pytester.makepyfile("""
    import time
    import pytest

    @pytest.fixture(autouse=True, scope="session")
    def own_clock():
        real, time.perf_counter = time.perf_counter, lambda: 42.0
        yield
        time.perf_counter = real

    @pytest.mark.simloop
    async def test_whatever():
        assert time.perf_counter() == 42.0
    """)
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)


WITH_DISK = """
    import os, simloop

    @pytest.fixture
    async def store(tmp_path):
        (tmp_path / "made").write_text("by a fixture")
        yield tmp_path
        assert (tmp_path / "kept").read_text() == "by the test"

    @pytest.mark.simloop(disk=True, MORE)
    async def test_files(store):
        assert (store / "made").read_text() == "by a fixture"
        (store / "kept").write_text("by the test")
        with open("beside", "w") as file:
            file.write("x")
        CRASH

    def test_nothing_is_real(tmp_path_factory):
        folder = tmp_path_factory.getbasetemp()
        assert [name for _, _, files in os.walk(folder) for name in files] == [".lock"]
        assert not os.path.exists("beside")
"""


def test_a_marked_test_may_have_a_disk(suite) -> None:
    """With ``disk=True`` the test and its fixtures share a disk, and nothing becomes real."""
    suite(WITH_DISK.replace("MORE", "").replace("CRASH", "")).assert_outcomes(passed=2)


def test_an_explored_test_may_have_a_disk(suite) -> None:
    """With ``explore=`` each schedule has a disk of its own, whose losses are searched, too."""
    crash = "simloop.current_world().disk.crash()"
    result = suite(WITH_DISK.replace("MORE", "explore=100").replace("CRASH", crash))
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*the power cut took the last * of the changes of folders*"])

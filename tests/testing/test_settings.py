"""Settings of the ini file, for all tests in virtual time, and the fixture of the clock."""

from __future__ import annotations

import textwrap

import pytest

pytest_plugins = ["pytester"]

HEAD = """
import asyncio, datetime, os, time
import pytest, simloop
"""


@pytest.fixture
def suite(pytester, monkeypatch):
    """Return a function that writes a file of tests and its settings, and runs pytest on it."""
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p simloop.testing.plugin")
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

    def run(source, settings="", *args):
        pytester.makepyprojecttoml("[tool.pytest.ini_options]\n" + textwrap.dedent(settings))
        pytester.makepyfile(test_suite=HEAD + textwrap.dedent(source))
        return pytester.runpytest_inprocess(*args)

    return run


def test_the_settings_hold_for_all_tests(suite) -> None:
    """Seed, date, limit and permissions are those of a test whose mark has none."""
    result = suite(
        """
        @pytest.mark.simloop
        async def test_it(simloop_seed):
            assert simloop_seed == simloop.current_world().seed == 7
            assert datetime.datetime.now(datetime.UTC).year == 2030
            reading, writing = os.pipe()
            assert os.fstat(reading).st_size == 0 and reading < 1000  # It is a real one.
            os.close(reading)
            os.close(writing)

        @pytest.mark.simloop
        async def test_limit():
            await asyncio.sleep(61)
        """,
        """
        simloop_seed = "7"
        simloop_start_date = "2030-02-01T12:00:00+01:00"
        simloop_max_time = "60"
        simloop_allow = ["pipes", "subprocess"]
        """,
    )
    result.assert_outcomes(passed=1, failed=1)
    assert "LimitError" in result.stdout.str()
    assert "--simloop-seed=7" in result.stdout.str()


def test_the_mark_and_the_command_line_go_before_the_settings(suite) -> None:
    """A test's own seed and limit hold, and the seed of the command line."""
    result = suite(
        """
        @pytest.mark.simloop(seed=3, max_time=7200)
        async def test_mark(simloop_seed):
            await asyncio.sleep(3600)
            assert simloop_seed == 3

        @pytest.mark.simloop(max_time=None)
        async def test_command(simloop_seed):
            await asyncio.sleep(3600)
            assert simloop_seed == 5
        """,
        """
        simloop_seed = "word"
        simloop_max_time = "60"
        """,
        "--simloop-seed=5",
    )
    result.assert_outcomes(passed=2)


def test_all_tests_are_explored_where_the_settings_say_so(suite) -> None:
    """Each test runs under so many schedules, but for one whose mark says None."""
    result = suite(
        """
        many, once = [], []

        @pytest.mark.simloop
        async def test_many():
            many.append(None)
            await asyncio.sleep(1)

        @pytest.mark.simloop(explore=None)
        async def test_once():
            once.append(None)

        def test_count():
            assert len(many) >= 5 and len(once) == 1
        """,
        'simloop_explore = "5"',
        *("-p", "no:randomly"),
    )
    result.assert_outcomes(passed=3)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('simloop_max_time = "soon"', "simloop_max_time is 'soon'; it is a number of seconds"),
        ('simloop_explore = "1e3"', "simloop_explore is '1e3'; it is a number of schedules"),
        ('simloop_start_date = "2024-02-29"', "simloop_start_date is '2024-02-29'; it is a date"),
        ('simloop_start_date = "today"', "simloop_start_date is 'today'; it is a date"),
        ('simloop_allow = ["network"]', "simloop_allow: nothing of the real world is called"),
    ],
)
def test_a_setting_that_means_nothing_is_told(suite, line, message) -> None:
    """A wrong value ends the session in one line that says what it may be."""
    result = suite("def test_it(): pass", line)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {message}*".replace("[", "[[]")])


def test_a_range_is_no_seed(suite) -> None:
    """A range given as one seed, which would be taken for a word, is refused with the way out."""
    result = suite("def test_it(): pass", "", "--simloop-seed=0-49")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: *there is --simloop-seeds=0-49"])


def test_the_clock_stands_still_until_the_test_moves_it(suite) -> None:
    """The fixture advances by seconds and to a time; the mark's autojump goes before."""
    result = suite("""
    @pytest.mark.simloop
    async def test_by_hand(simloop_clock):
        bell = asyncio.create_task(asyncio.sleep(3600, "ring"))
        await simloop_clock.advance(3599)
        assert not bell.done()
        await simloop_clock.advance_to(3600)
        assert bell.result() == "ring"
        assert simloop_clock.time() == 3600.0

    @pytest.mark.simloop(autojump=True)
    async def test_jumps(simloop_clock):
        await asyncio.sleep(3600)
        assert simloop_clock.time() == 3600.0

    @pytest.mark.simloop(explore=3)
    async def test_explored(simloop_clock):
        await simloop_clock.advance(60)

    @pytest.mark.simloop
    async def test_backwards(simloop_clock):
        await simloop_clock.advance(60)
        with pytest.raises(simloop.UsageError):
            await simloop_clock.advance_to(59)

    def test_outside(simloop_clock):
        pass
    """)
    result.assert_outcomes(passed=4, errors=1)
    result.stdout.fnmatch_lines(["*simloop_clock is the clock of tests with the mark simloop*"])


CASES = """
import unittest

class TestCase(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        await asyncio.sleep(3600)

    async def test_it(self):
        assert asyncio.get_running_loop().time() == 3600.0
        await asyncio.sleep(3600)
        self.assertEqual(asyncio.get_running_loop().time(), 7200.0)

    def test_plain(self):
        assert time.time() > 1_750_000_000 or MODE == "all"
"""


@pytest.mark.parametrize("mode", ["auto", "all"])
def test_the_auto_mode_gives_cases_of_unittest_our_loop(suite, mode) -> None:
    """An IsolatedAsyncioTestCase runs in virtual time, and asyncSetUp of plain tests, too."""
    result = suite(f"MODE = {mode!r}\n{CASES}", f'simloop_mode = "{mode}"')
    result.assert_outcomes(passed=2)


def test_a_case_that_fails_tells_its_replay(suite) -> None:
    """The report of a case in virtual time has the time and the line that replays it."""
    result = suite(
        """
        import unittest

        class TestCase(unittest.IsolatedAsyncioTestCase):
            async def test_it(self):
                await asyncio.sleep(60)
                self.fail("late")
        """,
        'simloop_mode = "auto"',
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "seed 0, virtual time 60.0 s, *",
            "replay: pytest test_suite.py::TestCase::test_it --simloop-seed=0",
        ]
    )


def test_the_mode_all_gives_plain_tests_a_world(suite) -> None:
    """What calls asyncio.run, sleeps or opens sockets by itself does it in virtual time."""
    result = suite(
        """
        import socket, threading

        def test_run():
            began = time.time()
            asyncio.run(asyncio.sleep(3600))
            asyncio.run(asyncio.sleep(3600))
            assert time.time() - began == 7200

        def test_sleep_and_threads():
            seen = []
            thread = threading.Thread(target=lambda: seen.append(time.sleep(60)))
            thread.start()
            thread.join()
            assert seen == [None]

        def test_sockets():
            left, right = socket.socketpair()
            assert type(left).__name__ == "VirtualSocket"
            left.close()
            right.close()

        def test_stuck():
            asyncio.run(asyncio.Event().wait())

        def test_by_hand(simloop_loop):
            simloop_loop.run_for(60)
            assert time.time() > simloop_loop.time()

        async def test_async():
            await asyncio.sleep(3600)
        """,
        'simloop_mode = "all"',
    )
    result.assert_outcomes(passed=5, failed=1)
    result.stdout.fnmatch_lines(["*DeadlockError*"])


def test_the_mark_of_a_case_has_effect_where_the_mode_runs_it(suite) -> None:
    """In the auto mode the options of a mark on an async case are those of its tests."""
    result = suite(
        """
        import unittest

        @pytest.mark.simloop(seed=3, start_time=100)
        class TestCase(unittest.IsolatedAsyncioTestCase):
            async def test_it(self):
                loop = simloop.current_loop()
                self.assertEqual((loop.world.seed, loop.time()), (3, 100.0))
        """,
        'simloop_mode = "auto"',
    )
    result.assert_outcomes(passed=1)

"""Explored tests: a mark or an option runs a test under many schedules."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

import simloop

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.usefixtures("nothing_is_left")

RACE = """
import asyncio
import pytest

@pytest.fixture
async def server():
    async def serve(reader, writer):
        writer.write(await reader.readline())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 7000)
    yield server
    server.close()

@pytest.fixture
async def port(server):
    return server.sockets[0].getsockname()[1]

@pytest.mark.simloop(MARK)
@pytest.mark.parametrize("count", [1, 2])
async def test_cache(port, count):
    cache, loads = {}, []

    async def get():
        if "x" not in cache:
            loads.append(1)
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"x")
            writer.write_eof()
            cache["x"] = await reader.read()
            writer.close()

    async def later():
        await asyncio.sleep(0.01)
        await get()

    await asyncio.gather(get(), *[later() for _ in range(count - 1)])
    assert len(loads) == 1
"""


@pytest.fixture
def suite(pytester, monkeypatch):
    """Return a function that writes a file of tests and runs pytest on it, in this process."""
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p simloop.testing.plugin -p no:unraisableexception")
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

    def run(source, *args):
        pytester.makepyfile(test_suite=textwrap.dedent(source))
        return pytester.runpytest_inprocess(*args)

    return run


def test_the_mark_explores_with_fixtures_and_parametrize(suite, pytester) -> None:
    """The broken case fails with its explanation and replay line, the other passes."""
    result = suite(RACE.replace("MARK", "explore=60"))
    result.assert_outcomes(passed=1, failed=1)
    text = result.stdout.str()
    assert "It fails when this happens:" in text
    assert "the listener tcp 127.0.0.1:7000" in text
    token = re.search(r"Replay: pytest '(\S+)' --simloop-replay=(\w+)", text)
    assert token is not None
    again = suite(RACE.replace("MARK", ""), token[1], f"--simloop-replay={token[2]}")
    again.assert_outcomes(failed=1)
    again.stdout.fnmatch_lines(["*replayed *digest*"])


FOLDER = """
import asyncio
import pytest

@pytest.mark.simloop(explore=60, disk=True)
async def test_late(tmp_path):
    loop = asyncio.get_running_loop()
    began = loop.time()
    (tmp_path / "a").write_text(f"in {tmp_path}")
    print(tmp_path)
    await asyncio.sleep(1)
    assert loop.time() - began < 1.1, tmp_path
"""


def test_a_schedule_replays_in_another_session_of_pytest(suite, pytester) -> None:
    """The folder of ``tmp_path`` has another number there; that is no part of what a run did."""
    found = suite(FOLDER, f"--basetemp={pytester.path / 'pytest-41'}").stdout.str()
    token = re.search(r"Replay: pytest '?([^\s']+)'? --simloop-replay=(\w+)", found)
    assert token is not None, found
    again = suite(
        FOLDER, f"--basetemp={pytester.path / 'pytest-42'}", f"--simloop-replay={token[2]}"
    )
    again.assert_outcomes(failed=1)
    again.stdout.fnmatch_lines(["*replayed *digest*"])


def test_what_was_found_is_kept_and_tried_first(suite, pytester) -> None:
    """The schedule stands in .simloop; the next run tries it first; mended, it is forgotten."""
    source = RACE.replace("MARK", "explore=60")
    suite(source)
    (kept,) = (pytester.path / ".simloop").iterdir()
    assert kept.name.startswith("test_suite.pytest_cache-2@")
    result = suite(source.replace("explore=60", "explore=2"))
    result.assert_outcomes(passed=1, failed=1)
    mended = source.replace('if "x" not in cache:', "if not loads:")
    suite(mended).assert_outcomes(passed=2)
    assert not list((pytester.path / ".simloop").iterdir())


def test_the_command_line_explores_any_marked_test(suite) -> None:
    """Without an option of the mark the test runs once; --simloop-explore runs many schedules."""
    source = RACE.replace("MARK", "")
    suite(source).assert_outcomes(passed=2)
    suite(source, "--simloop-explore=60").assert_outcomes(passed=1, failed=1)
    suite(source, "--simloop-seconds=20", "-k", "2").assert_outcomes(failed=1)


PROPERTY = """
import asyncio
import pytest
from hypothesis import given, settings, strategies

@pytest.mark.simloop(MARK)
@settings(max_examples=20, database=None)
@given(number=strategies.integers(0, 1000), names=strategies.lists(strategies.text()))
async def test_slow(number, names):
    async with asyncio.timeout(1 if number > 17 else 3600):
        await asyncio.sleep(0.9)
"""


def test_inputs_of_a_property_are_shrunk_first_then_the_schedule(suite) -> None:
    """Each example is explored alike; the smallest that fails is told, and its schedule."""
    result = suite(PROPERTY.replace("MARK", "explore=30"), "-p", "_hypothesis_pytestplugin")
    result.assert_outcomes(failed=1)
    text = result.stdout.str()
    assert "number=18" in text
    assert "names=[]" in text
    assert "It fails when this happens:" in text
    token = re.search(r"--simloop-replay=(\w+)", text)
    assert token is not None
    source = PROPERTY.replace("MARK", "").replace("integers(0, 1000)", "just(18)")
    source = source.replace("strategies.lists(strategies.text())", "strategies.just([])")
    again = suite(source, f"--simloop-replay={token[1]}", "-p", "_hypothesis_pytestplugin")
    again.assert_outcomes(failed=1)


@pytest.mark.parametrize("mark", ["explore=30", ""])
def test_a_propertys_traceback_is_its_own(suite, mark) -> None:
    """Behind Hypothesis's frames stand those of the test: none of what ran it between them."""
    source = PROPERTY.replace("MARK", mark).replace("sleep(0.9)", "sleep(0.9 if MANY else 3)")
    source = source.replace("MANY", str(bool(mark)))
    result = suite(source, "-p", "_hypothesis_pytestplugin")
    result.assert_outcomes(failed=1)
    engine = str(Path(simloop.__file__).parent)
    assert [line for line in result.outlines if line.startswith(engine)] == []


def test_properties_that_are_methods_are_explored(suite) -> None:
    """Each example of each method of a class, with what it was given explicitly."""
    source = """
    import asyncio
    import pytest
    from hypothesis import example, given, strategies

    @pytest.mark.simloop(explore=5)
    class TestSleeps:
        @given(number=strategies.integers(1, 9))
        @example(number=3)
        async def test_one(self, number):
            await asyncio.sleep(number)

        @given(number=strategies.integers(1, 9))
        async def test_other(self, number):
            assert number < 5
    """
    result = suite(source, "-p", "_hypothesis_pytestplugin")
    result.assert_outcomes(passed=1, failed=1)
    assert "number=5" in result.stdout.str()


def test_a_property_is_not_explored_by_time(suite) -> None:
    """No two examples would be explored alike, and Hypothesis would call the test flaky."""
    result = suite(PROPERTY.replace("MARK", "seconds=1"), "-p", "_hypothesis_pytestplugin")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*say how many schedules, explore=20*"])


def test_github_is_told_the_token(suite, monkeypatch) -> None:
    """An annotation stands at the test, with the line that replays it."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    result = suite(RACE.replace("MARK", "explore=60"))
    result.stdout.fnmatch_lines(
        ["::error file=test_suite.py,line=*,title=test_cache?2? under a schedule::*Replay: pytest*"]
    )


def test_what_cannot_be_explored_is_told(suite) -> None:
    """A plain fixture on an async one, a strategy that is none, a token that is cut off."""
    source = """
    import pytest

    @pytest.fixture
    async def base():
        return [1]

    @pytest.fixture
    def plain(base):
        return base.copy()

    @pytest.mark.simloop(explore=3)
    async def test_plain(plain):
        pass

    @pytest.mark.simloop(explore=3, strategy="best")
    async def test_strategy():
        pass
    """
    result = suite(source)
    result.stdout.fnmatch_lines(
        ["*async fixture 'base' is made anew for each schedule*", "*there is no such strategy*"]
    )
    suite(RACE.replace("MARK", ""), "--simloop-replay=s1xyz").stdout.fnmatch_lines(
        ["*no token of a schedule*"]
    )


def test_a_test_that_keeps_state_is_told(suite) -> None:
    """A module's state grows from schedule to schedule: the undisturbed run differs from itself."""
    result = suite("""
    import asyncio, pytest
    STATE = []

    @pytest.mark.simloop(explore=5)
    async def test_state():
        STATE.append(1)
        for _ in STATE:
            await asyncio.sleep(1)
    """)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*undisturbed run differs from itself*"])


@pytest.mark.parametrize("call", ["skip", "xfail"])
def test_a_test_that_ends_itself_is_no_finding(suite, pytester, call) -> None:
    """Skipped or expected to fail while it runs, it is that, and no schedule of it is kept."""
    result = suite(f"""
    import pytest

    @pytest.mark.simloop(explore=20)
    async def test_it():
        pytest.{call}("not here")
    """)
    result.assert_outcomes(**{"skip": {"skipped": 1}, "xfail": {"xfailed": 1}}[call])
    assert not (pytester.path / ".simloop").exists()


@pytest.mark.parametrize("value", ["'x'", "-1", "0", "True", "1.5"])
def test_a_number_of_schedules_that_means_nothing_is_told(suite, value) -> None:
    """By the mark and by the decorator, in one line; and so is one of the command line."""
    result = suite(f"""
    import pytest
    from simloop.testing import virtual_time

    @pytest.mark.simloop(explore={value})
    async def test_marked():
        pass

    def test_decorated():
        with pytest.raises(Exception, match="it takes a whole number above 0") as caught:
            virtual_time(explore={value})
        assert type(caught.value).__name__ == "UsageError"
    """)
    result.assert_outcomes(passed=1, failed=1)
    told = f"*test_marked, or the command line, got explore={eval(value)!r}; it takes a whole*"  # noqa: S307 - those above
    result.stdout.fnmatch_lines([told])


def test_a_misspelt_option_of_an_exploration_is_told(suite) -> None:
    """The line lists what the mark takes beside options of a run, and which was meant."""
    result = suite("""
    import pytest

    @pytest.mark.simloop(seds=[1], explor=3)
    async def test_marked():
        pass
    """)
    result.stdout.fnmatch_lines(["*did you mean *seeds* or explore*"])

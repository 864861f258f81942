"""Which loop a test runs on, what the current loop is meanwhile, and what is left afterwards."""

from __future__ import annotations

import asyncio
import functools
import secrets
import sys
import time
import unittest.mock
import uuid

import pytest

import asynctest_compat as asynctest
import simloop
from asynctest_compat._cases import case_loops

STOCK = asyncio.SelectorEventLoop


@pytest.fixture
def outer_loop():
    """A default loop of the outer policy, as a program around the tests may have one."""
    policy = case_loops.get_policy()
    loop = STOCK()
    policy.set_event_loop(loop)
    yield loop
    assert case_loops.get_policy() is policy
    policy.set_event_loop(None)
    loop.close()


def current_loop():
    return case_loops.get_policy().get_event_loop()


def test_each_test_has_a_virtual_loop_of_its_own(run_case) -> None:
    """By default a test runs on a SimLoop, which is the current loop, and is closed after it."""
    loops = []

    class Case(asynctest.TestCase):
        def setUp(self):
            assert asyncio.get_event_loop() is self.loop
            self.future = asyncio.Future()

        async def test_one(self):
            await asyncio.sleep(3600)
            assert self.loop.time() >= 3600
            assert self.future.get_loop() is self.loop
            loops.append(self.loop)

        def test_two(self):
            assert asyncio.get_event_loop() is self.loop
            loops.append(self.loop)

    assert run_case(Case).wasSuccessful()
    assert loops[0] is not loops[1]
    assert all(isinstance(loop, simloop.SimLoop) and loop.is_closed() for loop in loops)


def test_the_loop_comes_from_asyncio(run_case) -> None:
    """asyncio.new_event_loop is asked, so that a test may patch it: even to give a mock."""
    mock = asynctest.Mock(asyncio.AbstractEventLoop)

    class Case(asynctest.TestCase):
        def runTest(self):
            assert self.loop is mock
            assert asyncio.get_event_loop() is mock

    with asynctest.patch("asyncio.new_event_loop", return_value=mock) as new_event_loop:
        for run in (Case().run, Case().debug):
            run()
        assert new_event_loop.call_count == 2
    assert mock.close.call_count == 2
    mock.shutdown_asyncgens.assert_called_with()

    class Making(asynctest.TestCase):
        def test_it(self):
            loop = asyncio.new_event_loop()  # the same kind, whoever asks
            assert isinstance(loop, simloop.SimLoop)
            loop.close()

    assert run_case(Making).wasSuccessful()


def test_the_outer_default_loop_comes_back(run_case, factory, outer_loop) -> None:
    """Around a test there is the loop that there was, and inside its own, on it and off it."""

    class Case(asynctest.TestCase):
        loop_factory = factory

        def setUp(self):
            assert asyncio.get_event_loop() is self.loop is not outer_loop

        async def test_coroutine(self):
            assert asyncio.get_event_loop() is self.loop

        def test_fails(self):
            self.fail("this one")

    result = run_case(Case)
    assert len(result.failures) == 1
    assert not result.errors
    assert current_loop() is outer_loop
    assert not outer_loop.is_closed()


def test_a_loop_that_is_set_inside_a_test_stays(run_case, factory, outer_loop) -> None:
    """set_event_loop inside a test is in force at once, and after the test."""
    loops = []

    class Case(asynctest.TestCase):
        loop_factory = factory

        def test_it(self):
            loops.append(STOCK())
            asyncio.set_event_loop(loops[0])
            assert asyncio.get_event_loop() is loops[0] is not self.loop

    assert run_case(Case).wasSuccessful()
    assert current_loop() is loops[0]
    asyncio.set_event_loop(outer_loop)
    loops[0].close()


def test_get_event_loop_may_be_forbidden(run_case) -> None:
    """forbid_get_event_loop makes asking an assertion error where no loop is running."""

    class Case(asynctest.TestCase):
        forbid_get_event_loop = True

        def test_plain(self):
            with self.assertRaisesRegex(AssertionError, "forbid_get_event_loop is True"):
                asyncio.get_event_loop()

        async def test_running(self):
            assert asyncio.get_event_loop() is self.loop

    assert run_case(Case).wasSuccessful()


def test_the_default_loop_may_be_used(run_case, outer_loop) -> None:
    """With use_default_loop the tests share it: its selector is wrapped once, it stays open."""
    selector = outer_loop._selector
    selectors = []

    class Case(asynctest.TestCase):
        use_default_loop = True

        async def setUp(self):
            assert asyncio.get_running_loop() is self.loop is outer_loop

        def test_one(self):
            assert asyncio.get_event_loop() is outer_loop
            selectors.append(outer_loop._selector)

        async def test_two(self):
            self.addCleanup(asyncio.sleep, 0)
            selectors.append(outer_loop._selector)

    for _ in range(2):
        assert run_case(Case).wasSuccessful()
    assert not outer_loop.is_closed()
    assert current_loop() is outer_loop
    assert len(dict.fromkeys(map(id, selectors))) == 1
    assert isinstance(selectors[0], asynctest.TestSelector)
    assert selectors[0]._selector is selector


def test_the_default_loop_may_be_set_by_the_class(run_case, outer_loop) -> None:
    """As the documentation has it: a plain setUpClass sets a loop for all, and closes it."""

    class Case(asynctest.TestCase):
        use_default_loop = True

        @classmethod
        def setUpClass(cls):
            cls.shared = STOCK()
            asyncio.set_event_loop(cls.shared)

        async def test_it(self):
            assert asyncio.get_running_loop() is self.shared

        @classmethod
        def tearDownClass(cls):
            assert not cls.shared.is_closed()
            cls.shared.close()

    assert run_case(Case).wasSuccessful()


def test_a_missing_default_loop_is_made(run_case) -> None:
    """Where Python makes no default loop by itself any more, use_default_loop does."""
    policy, loops = case_loops.get_policy(), []
    policy.set_event_loop(None)
    if sys.version_info < (3, 14):
        policy._local._set_called = False  # as before the first use

    class Case(asynctest.TestCase):
        use_default_loop = True

        async def test_it(self):
            loops.append(self.loop)

    result = run_case(Case)
    assert result.wasSuccessful(), result.errors
    assert current_loop() is loops[0]
    policy.set_event_loop(None)
    loops[0].close()


def of_module():
    return simloop.SimLoop(seed="module")


@pytest.mark.parametrize("how", ["plain", "static", "partial", "lambda", "class", "inherited"])
def test_a_class_chooses_its_loop(run_case, how) -> None:
    """loop_factory is any callable without arguments: a function, a class, a partial."""

    class Plain(asynctest.TestCase):
        def loop_factory():
            return simloop.SimLoop(seed="plain")

        async def test_it(self):
            Plain.seen = self.loop

    factories = {
        "plain": Plain.loop_factory,
        "static": staticmethod(of_module),
        "partial": functools.partial(simloop.SimLoop, seed=7, start_time=100.0),
        "lambda": lambda: simloop.SimLoop(autojump=False),
        "class": STOCK,
        "inherited": None,
    }
    case = type("Case", (Plain,), {} if how == "inherited" else {"loop_factory": factories[how]})
    result = run_case(case)
    assert result.wasSuccessful(), result.errors
    assert Plain.seen.is_closed()
    if how == "class":
        assert isinstance(Plain.seen, STOCK)
    else:
        seeds = {"static": "module", "partial": 7, "lambda": 0}
        assert Plain.seen.world.seed == seeds.get(how, "plain")
        assert Plain.seen.autojump == (how != "lambda")


def test_uvloop_may_be_chosen(run_case) -> None:
    """All of a case runs on uvloop: fixtures, cleanups, assertions, mocks; the checks too."""
    uvloop = pytest.importorskip("uvloop")

    @asynctest.strict
    class Case(asynctest.TestCase):
        loop_factory = uvloop.new_event_loop

        async def setUp(self):
            self.mock = asynctest.CoroutineMock(return_value=5)
            self.addCleanup(asyncio.sleep, 0)

        async def test_it(self):
            assert isinstance(self.loop, uvloop.Loop)
            assert asyncio.get_event_loop() is self.loop
            await self.assertAsyncRaises(TimeoutError, asyncio.wait_for(asyncio.sleep(1), 0.001))
            assert await self.mock() == 5

        async def test_left(self):
            self.loop.call_later(10, print)

        async def tearDown(self):
            await asyncio.sleep(0)

    result = run_case(Case)
    assert not result.errors, result.errors
    assert [case.id().rpartition(".")[2] for case, _ in result.failures] == ["test_left"], (
        result.failures
    )


def test_a_clock_of_uvloop_is_refused(run_case) -> None:
    """ClockedTestCase says that this loop's clock is out of reach, and what to set."""
    uvloop = pytest.importorskip("uvloop")

    class Case(asynctest.ClockedTestCase):
        loop_factory = uvloop.new_event_loop

        async def test_it(self):
            raise AssertionError

    ((_, text),) = run_case(Case).errors
    assert "UnsupportedError" in text
    assert "Set loop_factory = simloop.SimLoop" in text


def test_the_selector_of_a_loop_is_wrapped(run_case, factory) -> None:
    """self.loop._selector is a TestSelector, and the loop's own is inside."""

    class Case(asynctest.TestCase):
        loop_factory = factory

        def test_it(self):
            assert isinstance(self.loop._selector, asynctest.TestSelector)
            assert self.loop._selector._selector is not None
            assert not isinstance(self.loop._selector._selector, asynctest.TestSelector)

    assert run_case(Case).wasSuccessful()


def test_suites_override_the_making_of_a_loop(run_case) -> None:
    """The four methods that suites override are called, and super() works in each."""
    log = []

    class Case(asynctest.TestCase):
        def _init_loop(self):
            log.append("init")
            super()._init_loop()
            self.loop.mine = True

        def _patch_loop(self, loop):
            log.append("patch")
            return super()._patch_loop(loop)

        def _run_test_method(self, method):
            log.append(method.__name__)
            super()._run_test_method(method)

        def _unset_loop(self):
            log.append("unset")
            super()._unset_loop()

        async def test_it(self):
            assert self.loop.mine

    assert run_case(Case).wasSuccessful()
    assert log == ["init", "patch", "test_it", "unset"]


@pytest.fixture
def suite_s_loop():
    """Put the choice for the whole suite back."""
    yield
    asynctest.choose_loop("virtual")


def kind_of_loop(run_case):
    seen = []

    class Case(asynctest.TestCase):
        async def test_it(self):
            seen.append(self.loop)

    assert run_case(Case).wasSuccessful()
    return seen[0]


def test_a_suite_chooses_its_loop(run_case, suite_s_loop) -> None:
    """choose_loop takes two words, a factory or its name; a class's own choice wins."""
    asynctest.choose_loop("stock")
    assert type(kind_of_loop(run_case)).__module__ == "asyncio.unix_events"
    asynctest.choose_loop(functools.partial(simloop.SimLoop, seed="mine"))
    assert kind_of_loop(run_case).world.seed == "mine"
    asynctest.choose_loop("simloop:SimLoop")
    assert kind_of_loop(run_case).world.seed.endswith(".Case.test_it/1")
    asynctest.choose_loop("virtual")
    assert isinstance(kind_of_loop(run_case), simloop.SimLoop)


@pytest.mark.parametrize("choice", ["real", 5, None, "simloop:missing", "nowhere:loop", ":"])
def test_an_unknown_loop_is_refused(choice) -> None:
    """What is no loop is refused by its value, and the choices are named."""
    with pytest.raises(ValueError, match=r"no loop factory|give 'virtual', 'stock'") as caught:
        asynctest.choose_loop(choice)
    assert repr(choice) in str(caught.value)


def test_a_factory_that_fails_leaves_the_outer_policy(run_case, outer_loop) -> None:
    """A test whose loop can't be made is an error, and everything is as it was."""

    class Case(asynctest.TestCase):
        def loop_factory():
            raise OSError("no loop")

        async def test_it(self):
            raise AssertionError

    ((_, text),) = run_case(Case).errors
    assert "OSError: no loop" in text
    assert current_loop() is outer_loop


def test_the_program_s_clocks_follow_the_loop(run_case) -> None:
    """time.monotonic() inside a virtual test is the loop's time, and on the stock loop real."""

    class Virtual(asynctest.TestCase):
        async def test_it(self):
            before = time.monotonic()
            await asyncio.sleep(3600)
            assert time.monotonic() - before == 3600

    class Real(asynctest.ClockedTestCase):
        loop_factory = STOCK

        async def test_it(self):
            before = time.monotonic()
            await self.advance(3600)
            assert time.monotonic() - before < 3600

    for case in (Virtual, Real):
        result = run_case(case)
        assert result.wasSuccessful(), result.errors


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="gone in Python 3.14")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_child_watcher_is_the_outer_policy_s(run_case, outer_loop) -> None:
    """Whoever starts a program asks the policy for: it watches the test's loop."""
    outer = case_loops.get_policy()
    watcher = unittest.mock.MagicMock()

    class Case(asynctest.TestCase):
        loop_factory = STOCK

        def test_it(self):
            assert asyncio.get_event_loop_policy().get_child_watcher() is watcher
            watcher.attach_loop.assert_called_with(self.loop)
            asyncio.get_event_loop_policy().set_child_watcher(None)

    with unittest.mock.patch.multiple(
        outer, get_child_watcher=lambda: watcher, set_child_watcher=unittest.mock.DEFAULT
    ) as mocks:
        result = run_case(Case)
    assert result.wasSuccessful(), result.errors
    mocks["set_child_watcher"].assert_called_once_with(None)


def test_no_two_tests_draw_the_same_identifiers(run_case) -> None:
    """Caches that outlive a test know things by their uuid; alone, a test draws what it drew."""
    drawn = {}

    class Case(asynctest.TestCase):
        def draw(self):
            drawn.setdefault(self._testMethodName, []).append(
                (uuid.uuid1(), uuid.uuid4(), secrets.token_hex(8))
            )

        async def test_one(self):
            self.draw()

        async def test_two(self):
            self.draw()

        async def test_three(self):
            self.draw()

    assert run_case(Case).wasSuccessful()
    assert run_case(Case, "test_two").wasSuccessful()
    kinds = list(zip(*(each[0] for each in drawn.values()), strict=True))
    assert [len({*kind}) for kind in kinds] == [3, 3, 3]
    assert drawn["test_two"][0] == drawn["test_two"][1]

"""``fail_on`` and its relatives: what is checked after a test, and who decides."""

from __future__ import annotations

import asyncio
import socket

import pytest

import asynctest_compat as asynctest
from asynctest_compat import _fail_on


def checks_of(case, name=None):
    """Which checks would run for a case, or for one of its methods."""
    decorated = getattr(case, name) if name else case
    return getattr(decorated, _fail_on._FAIL_ON_ATTR).get_checks(case)


def text_of(result) -> str:
    return "\n".join(text for _, text in result.failures + result.errors)


def test_the_defaults_are_the_documented_ones() -> None:
    """Only active_selector_callbacks is on when nobody asked, as asynctest's documentation says."""
    assert asynctest.DEFAULTS == {
        "unused_loop": False,
        "active_selector_callbacks": True,
        "active_handles": False,
        "unhandled_exceptions": False,
        "pending_tasks": False,
    }
    assert _fail_on.DEFAULTS is asynctest.DEFAULTS


def test_a_method_wins_over_its_class() -> None:
    """A method's choice overrides its class's; what it does not name is the class's."""

    @asynctest.fail_on(unused_loop=True, active_handles=True)
    class Case(asynctest.TestCase):
        @asynctest.fail_on(unused_loop=False)
        def test_it(self):
            pass

    checks = checks_of(Case("test_it"), "test_it")
    assert not checks["unused_loop"]
    assert checks["active_handles"]


def test_a_subclass_inherits_and_leaves_its_parent_alone() -> None:
    """Decorating a subclass merges with the parent's choices and never changes them."""

    @asynctest.fail_on(unused_loop=True)
    class Parent(asynctest.TestCase):
        def runTest(self):
            pass

    @asynctest.fail_on(active_handles=True)
    class Child(Parent):
        pass

    assert checks_of(Child())["unused_loop"]
    assert checks_of(Child())["active_handles"]
    assert not checks_of(Parent())["active_handles"]


@pytest.mark.parametrize("with_call", [False, True])
def test_strict_and_lenient_are_all_and_none(with_call) -> None:
    """Strict turns every check on and lenient every check off, with and without parentheses."""

    class Case(asynctest.TestCase):
        def runTest(self):
            pass

    strict = asynctest.case._fail_on.strict
    decorated = (strict() if with_call else strict)(type("Strict", (Case,), {}))
    assert all(checks_of(decorated()).values())
    lenient = asynctest.lenient
    decorated = (lenient() if with_call else lenient)(type("Lenient", (Case,), {}))
    assert not any(checks_of(decorated()).values())


def test_ignore_loop_is_deprecated_and_works() -> None:
    """ignore_loop warns and switches unused_loop off."""
    with pytest.warns(DeprecationWarning, match="fail_on"):

        @asynctest.ignore_loop
        class Case(asynctest.TestCase):
            def runTest(self):
                pass

    assert not checks_of(Case())["unused_loop"]


def test_an_unknown_check_is_refused() -> None:
    """fail_on refuses a check that does not exist, naming it and those that do."""
    with pytest.raises(TypeError, match=r"'no_such_check'.*unused_loop"):
        asynctest.fail_on(no_such_check=True)


def test_use_of_the_loop_in_set_up_and_cleanup_does_not_count(run_case, factory) -> None:
    """unused_loop looks at the test only."""

    @asynctest.fail_on(unused_loop=True)
    class Case(asynctest.TestCase):
        loop_factory = factory

        async def setUp(self):
            self.addCleanup(asyncio.sleep, 0)

        def test_plain(self):
            pass

        async def test_coroutine(self):
            pass

        def test_runs_the_loop(self):
            self.loop.run_until_complete(asyncio.sleep(0))

    result = run_case(Case)
    assert [case.id().rpartition(".")[2] for case, _ in result.failures] == ["test_plain"]
    assert "Loop did not run during the test" in text_of(result)


def test_a_timer_that_is_left_is_shown(run_case, factory) -> None:
    """active_handles fails a test that leaves a timer, not one that cancels it."""

    @asynctest.fail_on(active_handles=True)
    class Case(asynctest.TestCase):
        loop_factory = factory

        async def test_left(self):
            self.loop.call_later(5, print, "unfinished")

        async def test_cancelled(self):
            self.loop.call_later(5, print).cancel()

        async def test_done(self):
            await asyncio.sleep(0.001)

    result = run_case(Case)
    assert len(result.failures) == 1
    assert "unfinished work" in text_of(result)
    assert "print" in text_of(result)


def test_issue_85_checks_work_on_uvloop(run_case) -> None:
    """A loop that keeps its timers to itself is checked too."""
    uvloop = pytest.importorskip("uvloop")

    @asynctest.strict
    class Case(asynctest.TestCase):
        loop_factory = uvloop.new_event_loop

        async def test_left(self):
            self.loop.call_later(5, print)

        async def test_clean(self):
            await asyncio.sleep(0.001)

    result = run_case(Case)
    assert [case.id().rpartition(".")[2] for case, _ in result.failures] == ["test_left"]
    assert not result.errors


def test_a_timer_that_ran_early_is_not_left() -> None:
    """A loop that runs a timer while its clock still shows less, as uvloop does, is understood."""

    class EarlyLoop:
        def call_at(self, when, callback, *args, context=None):
            return asyncio.TimerHandle(when, callback, args, self, context)

        call_later = call_at

        def time(self):
            return 0.0

        def get_debug(self):
            return False

        def _timer_handle_cancelled(self, handle):
            pass

    class Case:
        loop = EarlyLoop()
        fail = pytest.fail

    check = _fail_on._fail_on
    check.before_test_active_handles(Case)
    for set_timer in (Case.loop.call_later, Case.loop.call_at):
        set_timer(1, lambda: None)._run()
        set_timer(1, print).cancel()
    check.active_handles(Case)
    left = Case.loop.call_at(1, print)
    assert "print" in repr(left)
    with pytest.raises(pytest.fail.Exception, match="unfinished work"):
        check.active_handles(Case)


def test_a_reader_that_is_left_is_shown(run_case, factory) -> None:
    """active_selector_callbacks is on by default and names the callback; cleanups are too late."""

    def on_read():
        pass

    class Case(asynctest.TestCase):
        loop_factory = factory

        def test_left(self):
            mock = asynctest.FileMock()
            self.loop.add_reader(mock, on_read)
            self.addCleanup(self.loop.remove_reader, mock)

        def test_removed(self):
            mock = asynctest.FileMock()
            self.loop.add_writer(mock, on_read)
            self.loop.remove_writer(mock)

        @asynctest.fail_on(active_selector_callbacks=False)
        def test_not_checked(self):
            mock = asynctest.FileMock()
            self.loop.add_reader(mock, on_read)
            self.addCleanup(self.loop.remove_reader, mock)

    result = run_case(Case)
    assert len(result.failures) == 1
    assert "some events watched during the tests were not removed" in text_of(result)
    assert "add_reader" in text_of(result)
    assert "on_read" in text_of(result)


def test_transports_and_servers_may_be_closed_in_cleanups(run_case, factory) -> None:
    """What the loop registered for itself is no reader of the test; a public method of it is."""

    class Case(asynctest.TestCase):
        loop_factory = factory

        async def setUp(self):
            server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
            self.addCleanup(server.wait_closed)
            self.addCleanup(server.close)
            address = server.sockets[0].getsockname()
            _, self.writer = await asyncio.open_connection(*address)
            self.addCleanup(self.writer.close)

        async def test_streams(self):
            self.writer.write(b"x")

        async def test_sock_recv(self):
            ours, theirs = socket.socketpair()
            ours.setblocking(False)
            self.task = self.loop.create_task(self.loop.sock_recv(ours, 1))
            self.addCleanup(theirs.close)
            self.addCleanup(ours.close)
            self.addCleanup(asyncio.sleep, 0)
            self.addCleanup(self.task.cancel)
            await asyncio.sleep(0)

        async def test_own_reader(self):
            mock = asynctest.FileMock()
            self.loop.add_reader(mock, self.loop.stop)
            self.addCleanup(self.loop.remove_reader, mock)

    result = run_case(Case)
    assert [case._testMethodName for case, _ in result.failures] == ["test_own_reader"]
    assert not result.errors, text_of(result)
    assert "stop()" in text_of(result)


def test_pull_60_exceptions_that_nobody_saw_are_shown(run_case, factory) -> None:
    """unhandled_exceptions fails for a failed callback and a failed task that nobody awaited."""

    async def fail():
        raise OSError("lost")

    @asynctest.fail_on(unhandled_exceptions=True)
    class Case(asynctest.TestCase):
        loop_factory = factory

        async def test_callback(self):
            self.loop.call_soon(lambda: 1 / 0)
            await asyncio.sleep(0)
            await asyncio.sleep(0)

        async def test_task(self):
            asyncio.ensure_future(fail())  # noqa: RUF006 - nobody keeps it, which is the point
            await asyncio.sleep(0.001)

        async def test_seen(self):
            await asyncio.gather(fail(), return_exceptions=True)

    result = run_case(Case)
    assert len(result.failures) == 2
    assert "ZeroDivisionError" in text_of(result)
    assert "OSError: lost" in text_of(result)


def test_a_handler_of_the_loop_s_own_comes_back(run_case) -> None:
    """On a loop that goes on, the handler that it had is told too, and is there again."""
    loop, told = asyncio.SelectorEventLoop(), []
    asyncio.set_event_loop(loop)

    def handler(_loop, context):
        told.append(context["exception"])

    loop.set_exception_handler(handler)

    class Case(asynctest.TestCase):
        use_default_loop = True

        @asynctest.fail_on(unhandled_exceptions=True)
        async def test_it(self):
            self.loop.call_soon(lambda: 1 / 0)
            await asyncio.sleep(0.001)

    assert len(run_case(Case).failures) == 1
    assert isinstance(told[0], ZeroDivisionError)
    assert loop.get_exception_handler() is handler
    asyncio.set_event_loop(None)
    loop.close()


def test_pull_60_pending_tasks_are_named_and_left_alone(run_case, factory) -> None:
    """pending_tasks names a task that is not done, and where it waits; nobody cancels it."""
    tasks = []

    async def wait_for_ever():
        await asyncio.get_running_loop().create_future()

    class Case(asynctest.TestCase):
        loop_factory = factory

        @asynctest.fail_on(pending_tasks=True)
        async def test_checked(self):
            tasks.append(asyncio.ensure_future(wait_for_ever()))
            tasks[-1].set_name("the lost one")
            await asyncio.sleep(0)

        async def test_not_checked(self):
            tasks.append(asyncio.ensure_future(wait_for_ever()))

    result = run_case(Case)
    assert len(result.failures) == 1
    assert "the lost one" in text_of(result)
    assert "wait_for_ever" in text_of(result)
    assert not any(task.done() for task in tasks)
    for task in tasks:
        task._log_destroy_pending = False
        task.get_coro().close()


def test_all_that_checks_find_is_told_at_once(run_case) -> None:
    """Two checks that fail give one failure with both findings."""

    @asynctest.strict
    class Case(asynctest.TestCase):
        async def test_it(self):
            self.loop.call_later(5, print)
            self.loop.call_soon(lambda: 1 / 0)
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    result = run_case(Case)
    assert len(result.failures) == 1
    assert "unfinished work" in text_of(result)
    assert "ZeroDivisionError" in text_of(result)


def test_a_check_can_be_added(run_case, monkeypatch) -> None:
    """A name in DEFAULTS and a static method make a check; before_test_ notes the state."""
    log = []
    monkeypatch.setitem(_fail_on.DEFAULTS, "my_check", True)
    check = staticmethod(lambda case: log.append("check") or case.fail("found it"))
    before = staticmethod(lambda _case: log.append("before"))
    monkeypatch.setattr(_fail_on._fail_on, "my_check", check, raising=False)
    monkeypatch.setattr(_fail_on._fail_on, "before_test_my_check", before, raising=False)

    class Case(asynctest.TestCase):
        def setUp(self):
            self.addCleanup(log.append, "cleanup")
            log.append("setUp")

        def test_it(self):
            log.append("test")

        def tearDown(self):
            log.append("tearDown")

        @asynctest.fail_on(my_check=False)
        def test_without(self):
            log.clear()

    result = run_case(Case, "test_it")
    assert "found it" in text_of(result)
    assert log == ["before", "setUp", "test", "tearDown", "check", "cleanup"]
    assert run_case(Case, "test_without").wasSuccessful()

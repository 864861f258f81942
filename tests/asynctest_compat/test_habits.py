"""What the suites of real projects do, beyond what any documentation promised them."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time

import pytest

import asynctest_compat as asynctest
from asynctest_compat import LIMITED, CoroutineMock, patch


def check(result) -> None:
    assert result.wasSuccessful(), result.errors + result.failures
    assert result.testsRun


@pytest.mark.parametrize("base", [asynctest.TestCase, asynctest.ClockedTestCase])
def test_asyncio_may_be_patched_under_a_test(run_case, factory, base) -> None:
    """Mocks, the clock and the loop go on while sleep, Event, wait_for and time are mocks."""

    class Case(base):
        loop_factory = factory

        @patch("time.time", return_value=5)
        @patch("asyncio.wait_for")
        @patch("asyncio.Condition")
        @patch("asyncio.Event")
        @patch("asyncio.sleep")
        async def test_it(self, sleep, event, condition, wait_for, now):
            for mock in (sleep, wait_for):
                assert isinstance(mock, CoroutineMock)
            assert isinstance(asyncio.Event(), asynctest.MagicMock)
            assert time.time() == 5
            await asyncio.sleep(3600)
            sleep.assert_awaited_once_with(3600)
            waiting = self.loop.create_task(sleep.awaited.wait_next())
            await asynctest.exhaust_callbacks(self.loop)
            self.loop.call_soon(lambda: self.loop.create_task(asyncio.sleep(1)))
            await waiting
            if base is asynctest.ClockedTestCase:
                await self.advance(10)

    check(run_case(Case))


@pytest.mark.parametrize("base", [asynctest.TestCase, asynctest.ClockedTestCase])
def test_plain_code_runs_the_loop_itself(run_case, factory, base) -> None:
    """A plain setUp, test or tearDown may call run_until_complete, on self.loop or the current."""
    log = []

    async def note(what):
        await asyncio.sleep(0)
        log.append(what)
        return what

    class Case(base):
        loop_factory = factory

        def setUp(self):
            self.task = asyncio.ensure_future(note("task"))
            assert self.loop.run_until_complete(note("setUp")) == "setUp"

        def test_it(self):
            asyncio.get_event_loop().run_until_complete(note("test"))
            if base is asynctest.ClockedTestCase:
                self.loop.run_until_complete(self.advance(10))
                assert self.loop.time() == 10
            self.loop.call_soon(self.loop.stop)
            self.loop.run_forever()
            assert self.task.done()

        def tearDown(self):
            self.loop.run_until_complete(note("tearDown"))

    check(run_case(Case))
    assert log == ["task", "setUp", "test", "tearDown"]


def test_attributes_of_the_loop_may_be_set(run_case, factory) -> None:
    """What a test puts on the loop object is used, also its close, at the end."""
    log = []

    class Case(asynctest.TestCase):
        loop_factory = factory

        async def test_it(self):
            own = self.loop.close
            self.loop.close = lambda: log.append("closed") or own()
            self.loop.create_server = CoroutineMock(return_value="server")
            assert await self.loop.create_server(1) == "server"
            self.loop._default_executor = None
            self.loop.note = 5

    check(run_case(Case))
    assert log == ["closed"]


def test_the_loop_goes_round_before_it_is_closed(run_case, factory) -> None:
    """What the end of a test made ready still runs: callbacks, and tasks for a step or two."""
    log = []

    class Case(asynctest.TestCase):
        loop_factory = factory

        async def test_it(self):
            async def last():
                log.append("task")

            self.loop.call_soon(log.append, "callback")
            self.task = asyncio.ensure_future(last())

    check(run_case(Case))
    assert sorted(log) == ["callback", "task"]


def test_pending_tasks_are_left_as_they_are(run_case, factory) -> None:
    """Nobody cancels a task at the end: its coroutine goes on in a later test, on its loop."""
    kept = []

    async def worker():
        try:
            await asyncio.sleep(0)
            await asynctest._mocks.coroutines.one_turn()
        except asyncio.CancelledError:
            kept.append("cancelled")
            raise
        kept.append("done")

    class Case(asynctest.TestCase):
        loop_factory = factory

        async def test_1(self):
            Case.worker = worker()

        async def test_2(self):
            await Case.worker

    check(run_case(Case))
    assert kept == ["done"]

    class Leaving(asynctest.TestCase):
        loop_factory = factory

        async def test_it(self):
            Leaving.task = self.loop.create_task(asyncio.sleep(1000))
            await asyncio.sleep(0)

    check(run_case(Leaving))
    assert not Leaving.task.done()
    Leaving.task._log_destroy_pending = False
    Leaving.task.get_coro().close()


@pytest.mark.parametrize("how", ["file mode", "limited"])
def test_a_class_is_patched_for_all_its_tests(run_case, factory, how) -> None:
    """A decorated case gives its mocks to each test, coroutine or not, with either scope."""

    class Target:
        async def get(self):
            return "real"

    scope = LIMITED if how == "limited" else asynctest.GLOBAL

    @patch.object(Target, "get", scope=scope)
    class Case(asynctest.TestCase):
        loop_factory = factory

        async def test_coroutine(self, get):
            get.return_value = "patched"
            await asyncio.sleep(0.001)
            assert await Target().get() == "patched"
            get.assert_awaited_once_with()
            seen = []
            self.loop.call_soon(lambda: seen.append(Target.get is get))
            await asyncio.sleep(0.001)
            assert seen == [scope is asynctest.GLOBAL]

        def test_plain(self, get):
            assert Target.get is get

    check(run_case(Case))
    assert not isinstance(Target.get, CoroutineMock)


def test_a_patch_is_started_in_set_up(run_case, factory) -> None:
    """start() in setUp and stop(), or stopall, as cleanups."""

    class Case(asynctest.TestCase):
        loop_factory = factory

        async def setUp(self):
            patcher = patch("asyncio.open_connection")
            self.open_connection = patcher.start()
            self.addCleanup(patcher.stop)
            patch("asyncio.start_server").start()
            self.addCleanup(patch.stopall)

        async def test_it(self):
            self.open_connection.return_value = ("reader", "writer")
            assert await asyncio.open_connection("host", 1) == ("reader", "writer")
            assert isinstance(asyncio.start_server, CoroutineMock)

    check(run_case(Case))
    assert not isinstance(asyncio.open_connection, CoroutineMock)
    assert not isinstance(asyncio.start_server, CoroutineMock)


@pytest.mark.filterwarnings("ignore:.*child.watcher.*:DeprecationWarning")
def test_the_stock_loop_does_real_things(run_case) -> None:
    """A program is started, a pipe is read, a thread blocks on a server of the test's loop."""

    class Case(asynctest.TestCase):
        loop_factory = asyncio.SelectorEventLoop

        async def test_program(self):
            process = await asyncio.create_subprocess_exec(
                "echo", "real", stdout=asyncio.subprocess.PIPE
            )
            out, _ = await process.communicate()
            assert (out, process.returncode) == (b"real\n", 0)

        async def test_pipe(self):
            read_end, write_end = os.pipe()
            reader = asyncio.StreamReader()
            protocol = asyncio.StreamReaderProtocol(reader)
            transport, _ = await self.loop.connect_read_pipe(
                lambda: protocol, os.fdopen(read_end, "rb")
            )
            os.write(write_end, b"through a pipe\n")
            assert await reader.readline() == b"through a pipe\n"
            os.close(write_end)
            transport.close()

        async def test_thread_that_blocks_on_a_server(self):
            async def serve(reader, writer):
                writer.write(await reader.readline())
                writer.close()

            def ask(address):
                with socket.create_connection(address) as sock:
                    sock.sendall(b"echo\n")
                    return sock.recv(100), threading.current_thread() is threading.main_thread()

            server = await asyncio.start_server(serve, "127.0.0.1", 0)
            address = server.sockets[0].getsockname()
            answer = await self.loop.run_in_executor(None, ask, address)
            assert answer == (b"echo\n", False)
            server.close()

    check(run_case(Case))

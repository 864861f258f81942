"""A suite for asynctest, annotated: test cases, mocks, patches, the clock, the selector."""

from __future__ import annotations

import asyncio

import asynctest_compat as asynctest
from asynctest_compat import mock, selector


class Client:
    """What is mocked."""

    async def get(self, key: str) -> bytes:
        """Get what belongs to a key."""
        return key.encode()


class TestClient(asynctest.TestCase):
    """Coroutine functions everywhere."""

    forbid_get_event_loop = True

    async def setUp(self) -> None:  # type: ignore[override]  # unittest's is no coroutine function
        self.client = asynctest.create_autospec(Client)
        self.rung = asyncio.Event()
        self.loop.call_later(3600, self.rung.set)

    async def test_mocks(self) -> None:
        self.client.get = asynctest.CoroutineMock(return_value=b"value")
        self.assertEqual(await self.client.get("key"), b"value")
        self.client.get.assert_awaited_once_with("key")
        with asynctest.patch.object(Client, "get", return_value=b"other") as patched:
            self.assertEqual(await Client().get("key"), b"other")
        patched.assert_called_once()
        double: mock.MagicMock = mock.MagicMock(spec=Client)
        self.assertIsInstance(double, Client)

    @asynctest.fail_on(active_handles=True)
    async def test_time(self) -> None:
        await self.rung.wait()
        self.assertEqual(self.loop.time(), 3600)

    @asynctest.time_limit(30)
    async def test_callbacks(self) -> None:
        seen: list[str] = []
        self.loop.call_soon(seen.append, "ran")
        await asynctest.exhaust_callbacks(self.loop)
        self.assertEqual(seen, ["ran"])


class TestClock(asynctest.ClockedTestCase):
    """The test moves the clock."""

    async def test_it(self) -> None:
        done = asyncio.ensure_future(asyncio.sleep(60, "done"))
        await self.advance(60)
        self.assertEqual(done.result(), "done")


class TestFiles(asynctest.TestCase):
    """Files and sockets that are mocks."""

    def test_it(self) -> None:
        file: asynctest.FileMock = selector.FileMock()
        self.assertTrue(asynctest.isfilemock(file))
        asynctest.set_read_ready(file, self.loop)

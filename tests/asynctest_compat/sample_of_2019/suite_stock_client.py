"""Tests of the client, in the way of asynctest's users of 2019. Run by test_sample.py, unedited."""

import asyncio
import socket

import asynctest
import stock_client
from asynctest.mock import CoroutineMock, patch
from stock_client import Client, Quotes, Unavailable


class TestRetries(asynctest.ClockedTestCase):
    async def setUp(self):
        self.client = Client("quotes.example", self.loop)

    @patch("stock_client.fetch", side_effect=[OSError, OSError, 42])
    async def test_third_time_lucky(self, fetch):
        task = self.loop.create_task(self.client.get())
        await self.advance(29)
        self.assertFalse(task.done())
        await self.advance(1)
        self.assertEqual(await task, 42)
        self.assertEqual(fetch.await_count, 3)
        fetch.assert_awaited_with("quotes.example")

    @patch("stock_client.fetch", new_callable=CoroutineMock, side_effect=OSError)
    async def test_gives_up(self, fetch):
        task = self.loop.create_task(self.client.get())
        await self.advance(70)
        await self.assertAsyncRaises(Unavailable, task)
        self.assertEqual(fetch.await_count, 3)

    @patch("stock_client.fetch", return_value=7)
    async def test_polls_all_day(self, fetch):
        task = self.loop.create_task(self.client.poll(3600))
        await self.advance(86399)
        task.cancel()
        self.assertEqual(fetch.await_count, 24)
        self.assertEqual(self.client.history, [(3600 * hour, 7) for hour in range(24)])


class TestScopes(asynctest.TestCase):
    @patch("stock_client.fetch", new=CoroutineMock(return_value=1), scope=asynctest.LIMITED)
    async def limited(self):
        before = await stock_client.fetch("a")
        await asyncio.sleep(1)
        return before, await stock_client.fetch("a")

    @patch("stock_client.fetch", new=CoroutineMock(return_value=2), scope=asynctest.GLOBAL)
    async def everywhere(self):
        await asyncio.sleep(1)
        return await stock_client.fetch("a")

    async def test_limited_is_not_seen_outside(self):
        task = self.loop.create_task(self.limited())
        await asyncio.sleep(0.5)
        await self.assertAsyncRaisesRegex(OSError, "no network", stock_client.fetch("a"))
        self.assertEqual(await task, (1, 1))

    async def test_global_is_seen_outside(self):
        task = self.loop.create_task(self.everywhere())
        await asyncio.sleep(0.5)
        self.assertEqual(await stock_client.fetch("a"), 2)
        self.assertEqual(await task, 2)
        await self.assertAsyncRaises(OSError, stock_client.fetch("a"))


class TestProtocol(asynctest.TestCase):
    forbid_get_event_loop = True

    def setUp(self):
        self.sock = asynctest.SocketMock()
        self.sock.type = socket.SOCK_STREAM
        self.sock.recv.side_effect = asynctest.return_once(b"A 1.5\nB 2", then=BlockingIOError)
        self.sock.send.side_effect = len
        self.addCleanup(self.settle)

    async def settle(self):
        await asynctest.exhaust_callbacks(self.loop)

    async def test_lines_become_prices(self):
        prices = {}
        transport, _ = await self.loop.create_connection(lambda: Quotes(prices), sock=self.sock)
        self.sock.send.assert_called_with(b"SUBSCRIBE\n")
        asynctest.set_read_ready(self.sock, self.loop)
        await asynctest.exhaust_callbacks(self.loop)
        self.assertEqual(prices, {"A": 1.5})
        transport.close()

    @asynctest.fail_on(active_handles=True)
    async def test_over_a_server(self):
        prices, asked = {}, self.loop.create_future()

        async def serve(reader, writer):
            asked.set_result(await reader.readline())
            writer.write(b"A 1\nA 2\n")
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        self.addCleanup(server.close)
        host, port = server.sockets[0].getsockname()
        transport, _ = await self.loop.create_connection(lambda: Quotes(prices), host, port)
        self.addCleanup(transport.close)
        self.assertEqual(await asked, b"SUBSCRIBE\n")
        while "A" not in prices:
            await asyncio.sleep(0)
        self.assertEqual(prices, {"A": 2.0})


class TestCanary(asynctest.TestCase):
    @asynctest.expectedFailure
    async def test_a_failure_is_seen(self):
        await asyncio.sleep(0)
        self.assertEqual(1, 2)


if __name__ == "__main__":
    asynctest.main()

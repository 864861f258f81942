"""A suite as written for Python 3.4: it needs names that Python has removed. Unedited, as it were.

Run by test_as_asynctest.py, with --asynctest-removed-names.
"""

# ruff: noqa: UP005 - the old names are what is tested
import asyncio
import collections
import inspect
import unittest

import asynctest


@asyncio.coroutine
def double(number, loop):
    yield from asyncio.sleep(0.01, loop=loop)
    return 2 * number


@asyncio.coroutine
def plain(number):
    return number


@asyncio.coroutine
def plain_that_delegates(loop):
    return double(4, loop)


class TestCoroutines(asynctest.TestCase):
    @asyncio.coroutine
    def setUp(self):
        self.number = yield from double(1, self.loop)

    @asyncio.coroutine
    def test_generator(self):
        self.assertEquals((yield from double(self.number, self.loop)), 4)
        self.assertEquals((yield from plain(5)), 5)
        self.assertEquals((yield from plain_that_delegates(self.loop)), 8)

    @asyncio.coroutine
    def test_task(self):
        task = asyncio.ensure_future(double(3, self.loop), loop=self.loop)
        self.assertEquals((yield from task), 6)

    async def test_native(self):
        self.assertEquals(await double(3, self.loop), 6)
        self.assert_(asyncio.iscoroutinefunction(double))
        self.assert_(isinstance(double, collections.Callable))

    @asyncio.coroutine
    def test_failure_arrives(self):
        @asyncio.coroutine
        def fail():
            yield from asyncio.sleep(0, loop=self.loop)
            raise OSError("broken")

        yield from self.assertAsyncRaisesRegex(OSError, "broken", fail())

    @asynctest.patch("asyncio.open_connection", scope=asynctest.LIMITED)
    @asyncio.coroutine
    def test_patched(self, open_connection):
        open_connection.return_value = "reader", "writer"
        yield from asyncio.sleep(0.01, loop=self.loop)
        self.assertEquals((yield from asyncio.open_connection("host", 1)), ("reader", "writer"))

    def test_mocks(self):
        class Client:
            @asyncio.coroutine
            def get(self):
                pass

        self.assertIsInstance(asynctest.Mock(Client()).get, asynctest.CoroutineMock)
        self.assertIsInstance(asynctest.create_autospec(Client).get, asynctest.CoroutineMock)


class TestLoopArguments(asynctest.TestCase):
    async def test_functions(self):
        loop = self.loop
        await asyncio.sleep(0, loop=loop)
        task = loop.create_task(asyncio.sleep(0, "done"))
        await asyncio.wait([task], loop=loop)
        self.assertEquals(await asyncio.wait_for(task, 1, loop=loop), "done")
        self.assertEquals(await asyncio.shield(task, loop=loop), "done")
        self.assertEquals(await asyncio.gather(task, plain(2), loop=loop), ["done", 2])
        for first in asyncio.as_completed([task], loop=loop):
            self.assertEquals(await first, "done")

    async def test_streams(self):
        async def serve(reader, writer):
            writer.write(await reader.readline())
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0, loop=self.loop)
        address = server.sockets[0].getsockname()
        reader, writer = await asyncio.open_connection(*address, loop=self.loop)
        writer.write(b"echo\n")
        self.assertEquals(await reader.readline(), b"echo\n")
        writer.close()
        server.close()

    async def test_classes(self):
        for name in ("Lock", "Event", "Condition", "Semaphore", "BoundedSemaphore"):
            getattr(asyncio, name)(loop=self.loop)
        for name in ("Queue", "PriorityQueue", "LifoQueue"):
            queue = getattr(asyncio, name)(1, loop=self.loop)
            await queue.put(1)
            self.assertEquals(await queue.get(), 1)


class TestOldNames(unittest.TestCase):
    def test_assertions(self):
        self.assertEquals(1, 1)
        self.assertNotEquals(1, 2)
        self.assertAlmostEquals(1.0, 1.00000001)
        self.assertNotAlmostEquals(1.0, 1.1)
        self.assertRegexpMatches("text", "t.x")
        self.assertNotRegexpMatches("text", "y")
        with self.assertRaisesRegexp(OSError, "broken"):
            raise OSError("broken")
        self.assertDictContainsSubset({"a": 1}, {"a": 1, "b": 2})
        self.failUnless(True)
        self.failIf(False)
        self.failUnlessEqual(1, 1)
        self.failIfEqual(1, 2)
        self.failUnlessAlmostEqual(1.0, 1.00000001)
        self.failIfAlmostEqual(1.0, 1.1)
        self.failUnlessRaises(OSError, self.broken)

    def broken(self):
        raise OSError

    def test_assertions_fail(self):
        with self.assertRaises(AssertionError):
            self.assertEquals(1, 2)
        with self.assertRaises(AssertionError):
            self.assertDictContainsSubset({"a": 2}, {"a": 1})

    def test_loaders(self):
        self.assertEquals(unittest.makeSuite(TestOldNames).countTestCases(), 4)
        self.assertEquals(unittest.getTestCaseNames(TestOldNames, "test_l"), ["test_loaders"])
        module = type(unittest)("module")
        module.TestOldNames = TestOldNames
        self.assertEquals(unittest.findTestCases(module).countTestCases(), 4)

    def test_inspection(self):
        spec = inspect.getargspec(lambda a, b=1, *c, **d: None)
        self.assertEquals(spec, (["a", "b"], "c", "d", (1,)))
        self.assert_(issubclass(dict, collections.Mapping))


if __name__ == "__main__":
    asynctest.main()

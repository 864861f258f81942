"""What may happen in the middle of a twin: the same as in the middle of the Python method."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import gc
import signal
import sys
import traceback

import pytest

import simloop
from simloop import _speed
from simloop._kernel import Handle, Kernel, TimerWheel

pytestmark = pytest.mark.filterwarnings("ignore")  # Random programs leave things open.


def simulated(main, **options):
    """Everything of a run that can be compared."""
    done = simloop.simulate(main, **options)
    return done.value, repr(done.error), done.digest, done.steps, done.time_ns


class Dying:
    """Does something when it is freed."""

    def __init__(self, action):
        self.action = action

    def __call__(self, *args):
        return None

    def __del__(self):
        self.action()


def test_what_is_freed_with_a_callback_is_freed_at_the_same_moment(both):
    """A finalizer that schedules comes before or behind a timer that is due, as in Python."""

    async def main():
        loop, log = asyncio.get_running_loop(), []

        def dies(name):
            loop.call_soon(log.append, f"{name} is gone")

        for number in range(20):
            loop.call_soon(Dying(lambda number=number: dies(number)))
            loop.call_later(
                0.1 * (number % 4), Dying(lambda number=number: dies(f"timer {number}")), number
            )
            loop.call_later(0, log.append, number)
            if number % 3 == 0:
                await asyncio.sleep(0)
        await asyncio.sleep(1)
        return log

    plain, fast = both(simulated, main)
    assert plain == fast


def test_a_finalizer_may_cancel_and_set_timers(both):
    """It runs while a timer is cancelled, and while the wheel lets go of one."""

    async def main():
        loop, log, handles = asyncio.get_running_loop(), [], []

        def stir(number):
            log.append(number)
            for handle in handles[number::7]:
                handle.cancel()
            handles.append(loop.call_later(number * 0.01, log.append, -number))
            loop._wheel.sweep()

        variable = contextvars.ContextVar("variable")
        for number in range(300):
            context = contextvars.copy_context()
            context.run(variable.set, Dying(lambda number=number: stir(number)))
            argument = Dying(lambda number=number: stir(number))
            handles.append(
                loop.call_later(number % 11 * 0.05, log.append, argument, context=context)
            )
            del context, argument
        for handle in handles[:150]:
            handle.cancel()
        handles.clear()
        await asyncio.sleep(2)
        return [each for each in log if isinstance(each, int)]

    plain, fast = both(simulated, main)
    assert plain == fast


def test_callbacks_may_clear_the_queue(both):
    """Whoever takes out what is ready in the middle of a turn gets the same error."""

    def told():
        loop = simloop.SimLoop()
        loop.call_soon(loop._ready.clear)
        loop.call_soon(print)
        try:
            loop.run_ready()
        except Exception as error:  # noqa: BLE001 - to be compared
            return type(error), str(error), loop.world.steps
        finally:
            loop.close()
        return loop.world.steps

    plain, fast = both(told)
    assert plain == fast


def test_the_error_that_is_reported_is_the_one_being_handled(both):
    """``sys.exc_info()`` and ``__context__`` are as in an except clause."""

    async def main():
        loop, said = asyncio.get_running_loop(), []

        def handle(_loop, context):
            said.append((repr(sys.exc_info()[1]), repr(context["exception"])))
            try:
                {}["in the handler"]
            except KeyError as error:
                said.append(repr(error.__context__))

        loop.set_exception_handler(handle)
        loop.call_soon(lambda: 1 / 0)
        loop.call_later(1, [].pop)
        await asyncio.sleep(2)
        return said, repr(sys.exc_info()[1])

    plain, fast = both(simulated, main)
    assert plain == fast
    assert plain[0][0][0] == ("ZeroDivisionError('division by zero')",) * 2


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_an_error_that_ends_the_run_leaves_the_turn(both, error):
    """What was behind it in the turn runs when the loop runs again."""

    def told():
        loop, log = simloop.SimLoop(), []

        def fail():
            raise error(3)

        for number in range(3):
            loop.call_soon(log.append, number)
        loop.call_soon(fail)
        for number in range(3, 6):
            loop.call_soon(log.append, number)
        try:
            loop.run_ready()
        except error as caught:
            log.append(repr(caught))
        log += [loop._kernel._left, loop._kernel.steps]
        loop.run_ready()
        log.append(loop._kernel.steps)
        loop.close()
        return log

    plain, fast = both(told)
    assert plain == fast
    assert plain[-1] == 7


def test_a_context_that_is_entered_is_an_error(both):
    """A callback can't run in a context in which its loop runs."""

    def told():
        loop, said = simloop.SimLoop(), []
        loop.call_exception_handler = lambda told: said.append(str(told["exception"])[:20])
        context = contextvars.copy_context()
        loop.call_soon(said.append, 1, context=context)
        context.run(loop.run_ready)
        loop.close()
        return said

    plain, fast = both(told)
    assert plain == fast
    assert "cannot enter context" in plain[0]


@pytest.mark.parametrize("how", ["callback", "task", "protocol"])
def test_recursion_ends_at_the_same_depth(both, how):
    """A program that counts how deep it may go counts the same."""

    def depth():
        try:
            return 1 + depth()
        except RecursionError:
            return 0

    async def main():
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        if how == "task":
            return depth()
        if how == "callback":
            loop.call_soon(lambda: done.set_result(depth()))
            return await done

        class Receiver(asyncio.Protocol):
            def data_received(self, data):
                done.set_result(depth())

        server = await loop.create_server(Receiver, "127.0.0.1", 0)
        transport, _ = await loop.create_connection(
            asyncio.Protocol, *server.sockets[0].getsockname()
        )
        transport.write(b"now")
        value = await done
        transport.close()
        server.close()
        return value

    plain, fast = both(simulated, main)
    assert plain == fast
    assert plain[0] > 100


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="signals of Unix")
@pytest.mark.parametrize("step", ["python", "c"])
def test_a_signal_in_the_middle_is_handled(both, step):
    """A real signal is handled while callbacks run, be they in Python or in C alone."""

    def told():
        seen = []
        loop = simloop.SimLoop()
        before = signal.signal(signal.SIGALRM, lambda *_: (seen.append("signal"), loop.stop()))
        signal.setitimer(signal.ITIMER_REAL, 0.02)

        def go_on():
            loop.call_soon(go_on)

        try:
            if step == "python":
                loop.call_soon(go_on)
            else:
                again = functools.partial(loop.call_soon)
                again.__setstate__((loop.call_soon, (again,), {}, None))  # It schedules itself.
                loop.call_soon(again)
            loop.run_forever()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
            loop._ready.clear()
            loop.close()
        return seen

    plain, fast = both(told)
    assert plain == fast == ["signal"]


def test_who_replaces_a_method_is_asked(both):
    """Instances and classes: what stands in the place of a method is what is called."""

    def told():
        log = []

        async def main():
            loop = asyncio.get_running_loop()
            plainly = loop.call_soon
            loop.call_soon = lambda *args, **names: (log.append("soon"), plainly(*args, **names))[1]
            await asyncio.sleep(0)
            await asyncio.sleep(1)
            del loop.call_soon
            loop._kernel.jump = lambda: (log.append("jump"), Kernel.jump(loop._kernel))[1]
            await asyncio.sleep(1)
            del loop._kernel.jump

        simloop.run(main())
        return log

    plain, fast = both(told)
    assert plain == fast
    assert "soon" in plain
    assert "jump" in plain


@pytest.mark.parametrize(
    ("cls", "name"),
    [
        (TimerWheel, "add"),
        (TimerWheel, "take"),
        (TimerWheel, "next_ns"),
        (TimerWheel, "_open_next"),
        (Handle, "__init__"),
        (Kernel, "jump"),
        (Kernel, "_turn_observed"),
        (simloop.SimLoop, "create_future"),
    ],
)
def test_a_class_whose_method_is_replaced_is_asked(both, monkeypatch, cls, name):
    """The twins call no method past its name when that has become another one."""

    async def main():
        await asyncio.gather(*[asyncio.sleep(number / 7) for number in range(20)])
        done = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(done.set_result, 1)
        await done

    def told():
        count = 0
        plainly = getattr(cls, name)

        def counting(*args, **names):
            nonlocal count
            count += 1
            return plainly(*args, **names)

        with monkeypatch.context() as patches:
            patches.setattr(cls, name, counting)
            done = simulated(main)
        return count, done

    plain, fast = both(told)
    assert plain == fast


def test_a_loop_of_a_class_of_its_own_takes_the_python_methods(both):
    """A subclass that overrides what the twins would read is asked."""

    class Own(simloop.SimLoop):
        def call_soon(self, callback, *args, context=None):
            self.soon = getattr(self, "soon", 0) + 1
            return super().call_soon(callback, *args, context=context)

    def told():
        with asyncio.Runner(loop_factory=Own) as runner:
            runner.run(asyncio.sleep(1))
            return runner.get_loop().soon, runner.get_loop().world.steps

    plain, fast = both(told)
    assert plain == fast


@pytest.mark.parametrize("run", [simloop.simulate, lambda main: simloop.run(main())])
def test_tracebacks_have_the_same_text(both, run):
    """What a program sees of a callback's or a protocol's error is its own part, either way."""

    async def main():
        loop, said = asyncio.get_running_loop(), []
        loop.set_exception_handler(
            lambda _loop, told: said.append("".join(traceback.format_exception(told["exception"])))
        )

        class Failing(asyncio.Protocol):
            def data_received(self, data):
                raise ValueError(data)

        loop.call_soon(lambda: 1 / 0)
        server = await loop.create_server(Failing, "127.0.0.1", 0)
        transport, _ = await loop.create_connection(
            asyncio.Protocol, *server.sockets[0].getsockname()
        )
        transport.write(b"now")
        await asyncio.sleep(1)
        transport.close()
        server.close()
        return said

    def told():
        done = run(main)
        return getattr(done, "value", done)

    plain, fast = both(told)
    assert plain == fast
    assert len(plain) == 2
    assert "in data_received" in plain[1]


def test_a_run_can_be_collected(accelerated):
    """No twin holds a world."""
    import weakref

    def run():
        loop = simloop.SimLoop()
        loop.run_until_complete(asyncio.sleep(1, loop))
        loop.close()
        return weakref.ref(loop)

    gone = run()
    gc.collect()
    assert gone() is None


def test_the_switch_puts_everything_back():
    """Off, each method is the Python function again."""
    if _speed.twins is None:
        pytest.skip("the accelerator is not built")
    before = _speed.is_on()
    _speed.switch(on=False)
    plain = simloop.SimLoop.call_soon, Kernel._turns, TimerWheel.add
    _speed.switch(on=True)
    assert (simloop.SimLoop.call_soon, Kernel._turns, TimerWheel.add) != plain
    _speed.switch(on=False)
    assert (simloop.SimLoop.call_soon, Kernel._turns, TimerWheel.add) == plain
    _speed.switch(on=before)

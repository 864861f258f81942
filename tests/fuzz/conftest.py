"""How one program of socket calls is compared, for all tests that do."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
from pathlib import Path

import pytest

import simloop
from simloop.net.unix import unix_datagram

from .by_design import BY_DESIGN, LOOP_DESIGN
from .comparing import compare
from .socket_programs import Machine
from .stage import be_quiet

QUEUE_MAX = Path("/proc/sys/net/unix/max_dgram_qlen")  # 10 by itself, 512 under systemd.


@pytest.fixture
def check(tmp_path, monkeypatch):
    """Compare one program; the machine's length of queues is the world's."""
    folder = str(tmp_path)
    monkeypatch.setattr(unix_datagram, "_QUEUE_MAX", int(QUEUE_MAX.read_text()))

    def run_real(program, patience):
        return Machine(folder, patience).run(program)

    def run_virtual(program):
        async def main():
            record = Machine(folder).run(program)
            simloop.current_world().network.check()
            return record

        return simloop.run(main())

    return lambda program: compare(program, run_real, run_virtual, BY_DESIGN)


@pytest.fixture
def no_signal_ignored():
    """Let children begin with no signal ignored, also where nohup or a shell's & ignored some.

    What a process ignores its children ignore; what it handles is reset in them (execve(2)).
    """
    ignored = [
        number
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)
        if signal.getsignal(number) is signal.SIG_IGN
    ]
    for number in ignored:
        signal.signal(number, lambda _number, _frame: None)
    yield
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)


@pytest.fixture
def check_loop(tmp_path, caplog, no_signal_ignored):
    """Compare one program of loop-level calls: ``check_loop(Streams, (kind, calls))``."""
    folder = str(tmp_path)
    caplog.set_level(logging.CRITICAL, "asyncio")  # What is told to the handler is compared.

    def run_real(made, program, patience):
        kind, calls = program

        async def main():
            async def settle():
                if patience:
                    await asyncio.sleep(patience)
                await be_quiet(stage.is_idle)

            stage = made(kind, settle, folder)
            return await stage.run(calls)

        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
            return runner.run(main())

    def run_virtual(made, program):
        kind, calls = program

        async def settle():
            await asyncio.sleep(0.01)  # All that can happen without a timer does, at this instant.

        async def main():
            world = simloop.current_world()
            made.register(world.programs)
            record = await made(kind, settle, folder).run(calls)
            world.network.check()
            return record

        return simloop.run(main())

    def check(made, program):
        return compare(
            program,
            lambda program, patience: run_real(made, program, 4 * patience),
            lambda program: run_virtual(made, program),
            LOOP_DESIGN,
        )

    yield check
    gc.collect()  # What a program left open goes within its test.

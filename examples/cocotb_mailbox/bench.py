"""An asyncio server in front of simulated hardware.

The design is a mailbox in Verilog, simulated by Icarus; the driver that talks to its pins, the TCP
server that software would use and two clients are asyncio code. cocotb's simulator gives them all
its time, in which the clock ticks every ten nanoseconds:

    python examples/cocotb_mailbox/bench.py
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge
from cocotb_tools.runner import get_runner

from simloop.embed.cocotb import Bench

HERE = Path(__file__).parent


class Driver:
    """One byte at a time through the pins."""

    def __init__(self, bench: Bench, dut: Any) -> None:
        self.bench = bench
        self.dut = dut
        self.lock = asyncio.Lock()

    async def exchange(self, byte: int) -> int:
        """Hand a byte over and wait until the design has accepted it."""
        async with self.lock:
            self.dut.data.value = byte
            self.dut.valid.value = 1
            while True:
                await self.bench.wait(RisingEdge(self.dut.clk))
                if self.dut.accept.value == 1:
                    break
            self.dut.valid.value = 0
            return int(self.dut.answer.value)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Put each byte of a client through the design."""
        while byte := await reader.read(1):
            writer.write(bytes([await self.exchange(byte[0])]))
        writer.close()
        await writer.wait_closed()


async def client(name: str, message: bytes, pause_ns: float, log: list[str]) -> None:
    """Send a message with pauses, and note the answers."""
    loop = asyncio.get_running_loop()
    reader, writer = await asyncio.open_connection("127.0.0.1", 9000)
    for byte in message:
        await asyncio.sleep(pause_ns / 1e9)
        writer.write(bytes([byte]))
        (answer,) = await reader.readexactly(1)
        log.append(f"{loop.time_ns():4d} ns  {name}: {byte:#04x} -> {answer:#04x}")
    writer.close()
    await writer.wait_closed()


async def software(driver: Driver, log: list[str]) -> None:
    """Serve two clients at once."""
    server = await asyncio.start_server(driver.serve, "127.0.0.1", 9000)
    async with server, asyncio.TaskGroup() as clients:
        clients.create_task(client("slow", b"\x01\x02\x03", 200, log))
        clients.create_task(client("quick", b"\xf0\xf1\xf2\xf3", 5, log))


@cocotb.test()
async def mailbox_serves_two_clients(dut: Any) -> None:
    """The bench: a clock, the loop, and the software on it."""
    dut.valid.value = 0
    Clock(dut.clk, 10, "ns").start()
    await RisingEdge(dut.clk)
    bench = Bench(seed=1)
    log: list[str] = []
    await bench.run(software(Driver(bench, dut), log))
    bench.close()
    Path("log.txt").write_text("\n".join(log) + "\n")  # noqa: ASYNC240 - the simulation waits


def main() -> None:
    """Build and simulate in a folder of its own, and show what the clients noted."""
    with tempfile.TemporaryDirectory() as folder:
        runner = get_runner("icarus")
        runner.build(
            sources=[HERE / "mailbox.v"],
            hdl_toplevel="mailbox",
            build_dir=folder,
            timescale=("1ns", "1ps"),
            log_file=f"{folder}/build.log",
        )
        sys.path.insert(0, str(HERE))
        runner.test(
            hdl_toplevel="mailbox",
            test_module="bench",
            build_dir=folder,
            test_dir=folder,
            log_file=f"{folder}/test.log",
        )
        print((Path(folder) / "log.txt").read_text(), end="")


if __name__ == "__main__":
    main()

"""How one program of socket calls is compared, for all tests that do."""

from __future__ import annotations

from pathlib import Path

import pytest

import simloop
from simloop.net.unix import unix_datagram

from .by_design import BY_DESIGN
from .comparing import compare
from .socket_programs import Machine

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

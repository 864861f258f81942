"""A key-value store with a write-ahead log, three mistakes, and the power cuts that find them.

    python examples/write_ahead_log.py

The store appends each change to a log before it acknowledges it, and now and then writes all that
it knows into a snapshot and begins the log anew. After a power cut it must know each change that
it had acknowledged. Each mistake breaks that, and none shows as long as the power stays on.
"""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from functools import partial
from pathlib import Path

import simloop

MISTAKES = ("no fsync", "no sync of the folder", "header before data")
HEADER = 8  # Bytes that say how many bytes of the log count.


class Store:
    """Keys and values in a folder."""

    def __init__(self, folder: str, mistake: str = "") -> None:
        self.folder = Path(folder)
        self.mistake = mistake
        self.values: dict[str, int] = {}
        if (self.folder / "snapshot").exists():
            self.values = json.loads((self.folder / "snapshot").read_text())
        self.log = os.open(self.folder / "log", os.O_RDWR | os.O_CREAT, 0o644)
        if os.fstat(self.log).st_size < HEADER:
            self.write_header(0)
            self.sync(self.log)
            self.sync_folder()
        self.size = int(os.pread(self.log, HEADER, 0))
        entries = os.pread(self.log, self.size, HEADER)
        assert len(entries) == self.size, "the log is shorter than it says"
        for entry in entries.splitlines():
            self.values.update(json.loads(entry))

    def set(self, key: str, value: int) -> None:
        """Change a value; when this returns, it is durable."""
        entry = json.dumps({key: value}).encode() + b"\n"
        at = HEADER + self.size
        self.size += len(entry)
        if self.mistake == "header before data":
            self.write_header(self.size)
            os.pwrite(self.log, entry, at)
        else:
            os.pwrite(self.log, entry, at)
            self.sync(self.log)
            self.write_header(self.size)
        self.sync(self.log)
        self.values[key] = value

    def compact(self) -> None:
        """Write all values into a new snapshot, and begin the log anew."""
        fd = os.open(self.folder / "new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.write(fd, json.dumps(self.values).encode())
        self.sync(fd)
        os.close(fd)
        (self.folder / "new").rename(self.folder / "snapshot")
        if self.mistake != "no sync of the folder":
            self.sync_folder()
        self.size = 0
        self.write_header(0)
        self.sync(self.log)

    def write_header(self, size: int) -> None:
        os.pwrite(self.log, b"%08d" % size, 0)

    def sync(self, fd: int) -> None:
        if self.mistake != "no fsync":
            os.fsync(fd)

    def sync_folder(self) -> None:
        fd = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        os.fsync(fd)
        os.close(fd)


async def survive(mistake: str = "") -> None:
    """Use a store until the power is cut, and look at what the next one finds."""
    disk = simloop.current_world().disk
    disk.configure(latency=0.001)
    folder = tempfile.mkdtemp()
    disk.sync_all()  # That there is a folder is not what is tested.
    asked: list[tuple[str, int]] = []
    acknowledged: dict[str, int] = {}

    def use() -> None:
        store = Store(folder, mistake)
        for number in range(5):
            key = f"key {number % 3}"
            asked.append((key, number))
            store.set(key, number)
            acknowledged[key] = number
            if number == 2:
                store.compact()

    use_of_it = asyncio.create_task(asyncio.to_thread(use))
    cut_ms = simloop.choose(30, "milliseconds until the power is cut")  # 0: when all is done.
    await asyncio.wait([use_of_it], timeout=(cut_ms - 0.5) / 1000 if cut_ms else None)
    disk.crash()
    await asyncio.gather(use_of_it, return_exceptions=True)  # What is left of it gets EIO.

    found = Store(folder).values
    for key, value in acknowledged.items():
        allowed = [value, *(number for name, number in asked if name == key and number > value)]
        assert found.get(key) in allowed, f"{key} was {value}, and is {found.get(key)}"


def main() -> None:
    for mistake in MISTAKES:
        found = simloop.explore(partial(survive, mistake), schedules=200, disk=True)
        print(f"{mistake}: {found.failures[0].error}")
        for deviation in found.failures[0].schedule.deviations:
            print(f"    {deviation.name.rpartition('/')[2]}: option {deviation.value}")
    found = simloop.explore(survive, schedules=200, disk=True)
    print(f"without a mistake: {len(found.failures)} failures in {found.ran} schedules")


if __name__ == "__main__":
    main()

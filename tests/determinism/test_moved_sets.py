"""The tool that finds sets whose order follows addresses; in libraries it finds none."""

from __future__ import annotations

import functools

import pytest

PROGRAM = """
import asyncio

class Peer:
    pass

class Told:
    def __hash__(self):
        return hash(id(self))

class Holder:
    def __init__(self, kind):
        self.peers = {kind() for _ in range(50)}

async def main():
    holders = [Holder(kind) for kind in KINDS]
    for _ in range(3):
        await asyncio.sleep(1)
    return [0 for holder in holders for peer in holder.peers]
"""

pytestmark = pytest.mark.slow


@pytest.fixture
def run(run_tool):
    """Run the tool."""
    return functools.partial(run_tool, "moved_sets.py")


def test_it_names_the_sets_that_move(run, tmp_path):
    """A set of objects that hash by address is reported, by its holder and its class."""
    program = tmp_path / "program.py"
    program.write_text(f"{PROGRAM}\nKINDS = [Peer, Told]\n")
    done = run("--program", program)
    assert done.returncode == 1, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("moved       set program.Holder.peers of program.Peer")
    assert lines[1].startswith("moved       set program.Holder.peers of program.Told")


def test_it_is_content_with_numbers(run, tmp_path):
    """A set of asyncio's objects, and one of a class that was named, are not."""
    program = tmp_path / "program.py"
    named = "import simloop\nsimloop.hash_by_number(Peer)"
    program.write_text(f"{PROGRAM}\n{named}\nKINDS = [Peer, asyncio.Lock]\n")
    done = run("--program", program)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Peer" not in done.stdout


def test_the_sets_of_libraries_stay(run):
    """Servers and clients of each library with many peers are one run in different heaps."""
    pytest.importorskip("websockets")
    done = run("--processes", 3, "tests/libraries/test_many_peers.py")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "moved" not in done.stdout.replace("nothing moved", "")

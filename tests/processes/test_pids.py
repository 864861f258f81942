"""``os.kill`` and its kin on numbers of simulated processes, as on real ones."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

import simloop


async def start(*args, **options):
    return await asyncio.create_subprocess_exec(*args, **options)


def test_kill_ends_a_process(arm):
    """``os.kill`` sends the signal that the process then ends by."""

    async def main():
        process = await start("sleep", "1000")
        os.kill(process.pid, signal.SIGTERM)
        return await process.wait()

    assert arm.run(main) == -signal.SIGTERM


def test_signal_0_asks_whether_it_lives(arm):
    """Signal 0 does nothing to a process that lives, and ESRCH tells of one that does not."""

    async def main():
        process = await start("sleep", "1000")
        os.kill(process.pid, 0)
        alive = process.returncode is None
        process.kill()
        await process.wait()
        with pytest.raises(ProcessLookupError):
            os.kill(process.pid, 0)
        with pytest.raises(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
        return alive

    assert arm.run(main)


def test_kill_reaches_a_handler(arm):
    """A program that handles the signal ends as it likes."""

    async def main():
        script = "trap 'exit 7' TERM; echo ready; while :; do sleep 0.01; done"
        process = await asyncio.create_subprocess_shell(script, stdout=asyncio.subprocess.PIPE)
        assert await process.stdout.readline() == b"ready\n"
        os.kill(process.pid, signal.SIGTERM)
        return (await process.communicate())[0], process.returncode

    assert arm.run(main) == (b"", 7)


def test_killpg_ends_a_session(arm):
    """A process that leads a session is a group of its own, which ``os.killpg`` reaches."""

    async def main():
        first = await start("sleep", "1000", start_new_session=True)
        second = await start("sleep", "1000", process_group=0)
        third = await start("sleep", "1000", process_group=second.pid)
        groups = [os.getpgid(each.pid) for each in (first, second, third)]
        assert groups == [first.pid, second.pid, second.pid]
        os.killpg(os.getpgid(first.pid), signal.SIGTERM)
        os.killpg(second.pid, signal.SIGINT)
        codes = await asyncio.gather(first.wait(), second.wait(), third.wait())
        with pytest.raises(ProcessLookupError):
            os.killpg(first.pid, signal.SIGTERM)
        return codes

    assert arm.run(main) == [-signal.SIGTERM, -signal.SIGINT, -signal.SIGINT]


def test_a_child_is_in_its_parents_group(arm):
    """Without a session of its own a process has the group of its parent."""

    async def main():
        process = await start("sleep", "1000")
        is_same = os.getpgid(process.pid) == os.getpgrp() == os.getpgid(0)
        process.kill()
        await process.wait()
        with pytest.raises(ProcessLookupError):
            os.getpgid(process.pid)
        return is_same

    assert arm.run(main)


def test_signals_that_are_none(arm):
    """EINVAL for a number that is no signal."""

    async def main():
        process = await start("sleep", "1000")
        with pytest.raises(OSError, match="Invalid argument"):
            os.kill(process.pid, 500)
        process.kill()
        await process.wait()

    arm.run(main)


def test_waitpid_looks(arm):
    """WNOHANG tells that a process lives; one that asyncio has waited for is no child any more."""

    async def main():
        process = await start("sleep", "1000")
        looked = os.waitpid(process.pid, os.WNOHANG)
        process.kill()
        await process.wait()
        with pytest.raises(ChildProcessError):
            os.waitpid(process.pid, os.WNOHANG)
        return looked

    assert arm.run(main) == (0, 0)


def test_a_waitpid_that_would_wait_is_refused(run_with):
    """A blocking wait for a simulated process would stop the loop on which it lives."""

    async def nap(process):
        await asyncio.sleep(1)

    async def main():
        process = await start("nap")
        with pytest.raises(simloop.UnsupportedError, match=r"await process.wait\(\)"):
            os.waitpid(process.pid, 0)
        return await process.wait()

    assert run_with(main, nap=nap) == 0


def test_numbers_count_per_world(run_with):
    """A number of an earlier world's process is nobody's in this one: real, and guarded."""

    async def nap(process):
        await asyncio.sleep(1)

    async def main():
        process = await start("nap")
        with pytest.raises(simloop.EscapeError):
            os.kill(process.pid + 1, signal.SIGTERM)
        await process.wait()
        return process.pid

    assert run_with(main, nap=nap) == run_with(main, nap=nap) == 1001

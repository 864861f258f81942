"""How a Python process begins: SIGPIPE and SIGXFSZ are ignored, SIGINT has Python's handler.

See ``signal_install_handlers`` of CPython, and ``asyncio.Runner.run``, which takes SIGINT while a
coroutine runs.
"""

from __future__ import annotations

import asyncio
import functools
import os
import signal
import subprocess
import sys
from textwrap import dedent

import pytest

import simloop

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="signals as Linux has them")

LOOK = """
    import asyncio, functools, os, signal, sys

    def show(name):
        handler = signal.getsignal(getattr(signal, name))
        if isinstance(handler, functools.partial):
            handler = handler.func.__name__
        return f"{name} {handler!r}"

    def look():
        for name in ("SIGINT", "SIGPIPE", "SIGXFSZ", "SIGTERM", "SIGCHLD"):
            print(show(name), flush=True)
"""
TEXTS = {
    "plain": "look()",
    "sent": """
        for number in (signal.SIGPIPE, signal.SIGXFSZ):
            os.kill(os.getpid(), number)
            signal.raise_signal(number)
        print("lives")
    """,
    "pipe by default": """
        print(signal.signal(signal.SIGPIPE, signal.SIG_DFL))
        os.kill(os.getpid(), signal.SIGPIPE)
    """,
    "interrupt by default": """
        print(signal.signal(signal.SIGINT, signal.SIG_DFL))
        try:
            os.kill(os.getpid(), signal.SIGINT)
        finally:
            print("never")
    """,
    "interrupt restored": """
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        os.kill(os.getpid(), signal.SIGINT)
        print(signal.signal(signal.SIGINT, before))
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt:
            print("interrupted")
        os.kill(os.getpid(), signal.SIGINT)
    """,
    "called": """
        try:
            signal.getsignal(signal.SIGINT)(signal.SIGINT, None)
        except KeyboardInterrupt:
            print("interrupted")
    """,
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_script_finds_what_python_sets(tmp_path, capfd, name) -> None:
    """A host's process begins as a real one, and the same signals end it."""
    path = tmp_path / "script.py"
    path.write_text(f"{dedent(LOOK)}\n{dedent(TEXTS[name])}")
    real = subprocess.run(
        [sys.executable, "-u", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False
    )

    async def main() -> int:
        return await simloop.current_world().add_host("a", str(path)).processes[0].exited()

    status = simloop.run(main())
    assert (capfd.readouterr().out, status) == (real.stdout.decode(), real.returncode)


@pytest.fixture(params=["run", "runner", "real"])
def run(request):
    """Run a coroutine as ``simloop.run`` does, as asyncio's runner does, and really."""
    if request.param == "run":
        return simloop.run

    def run(main):
        factory = simloop.SimLoop if request.param == "runner" else asyncio.SelectorEventLoop
        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(main)

    return run


def test_a_coroutine_finds_the_handler_of_the_runner(run) -> None:
    """``asyncio.Runner`` puts a partial in the place of Python's handler, for its main task."""

    async def main() -> tuple[object, ...]:
        handler = signal.getsignal(signal.SIGINT)
        before = signal.signal(signal.SIGINT, handler)
        assert before is handler
        task = asyncio.current_task()
        named = handler.func.__name__, handler.keywords == {"main_task": task}
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(asyncio.CancelledError):
            await asyncio.sleep(1)
        task.uncancel()
        return (type(handler), *named)

    assert run(main()) == (functools.partial, "_on_sigint", True)


def test_a_program_finds_broken_pipes_ignored(run) -> None:
    """SIGPIPE and SIGXFSZ do nothing to a program of a run either."""

    async def main() -> list[object]:
        seen = []
        for number in (signal.SIGPIPE, signal.SIGXFSZ):
            os.kill(os.getpid(), number)
            signal.raise_signal(number)
            seen.append(signal.getsignal(number))
        return seen

    assert run(main()) == [signal.SIG_IGN, signal.SIG_IGN]

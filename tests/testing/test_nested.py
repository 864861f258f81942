"""A pytest within a test forgets what it imported first: the engine is there once all the same."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

OUTER = """
import asyncio

pytest_plugins = ["pytester"]
seen = []

INNER = '''
import asyncio, pytest, simloop

@pytest.mark.simloop
async def test_inner():
    await asyncio.sleep(3600)

def test_run():
    simloop.run(asyncio.sleep(3600))
'''


def nest(pytester):
    pytester.makepyfile(INNER)
    pytester.inline_run("-p", "simloop.testing.plugin", "-p", "no:cacheprovider").assertoutcome(
        passed=2
    )
    import simloop.world
    from simloop._sandbox.patching import registry
    seen.append((simloop, simloop.world, registry, len(registry._redirects)))


def test_one(pytester):
    nest(pytester)
    nest(pytester)


def test_two(pytester):
    nest(pytester)


def test_all_are_one():
    import simloop.world
    first = seen[0]
    assert len(seen) == 3
    assert all(each == first for each in seen)
    assert simloop.world is first[1]
    assert simloop.simulate(lambda: asyncio.sleep(5)).time == 5
"""


@pytest.mark.slow
@pytest.mark.parametrize("outer_options", [(), ("-p", "simloop.testing.plugin")])
def test_a_pytest_within_a_test_makes_no_second_engine(tmp_path, monkeypatch, outer_options):
    """Whether the outer pytest has the plugin or not, all inner ones patch by the same copy."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTHONPATH", ":".join(sys.path))
    (tmp_path / "test_outer.py").write_text(OUTER)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *outer_options]
    done = subprocess.run(
        [*command, "test_outer.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


FORGETFUL = """
import asyncio, sys
import simloop

async def main():
    await asyncio.sleep(5)

def forget(prefix):
    for name in [each for each in sys.modules if each.startswith(prefix)]:
        del sys.modules[name]

simloop.run(main())
import simloop.world
from simloop._sandbox.patching import registry
first = simloop, simloop.world, len(registry._redirects)
for prefix in ("simloop", "simloop."):
    forget(prefix)
    import simloop.embed.live
    import simloop.world
    from simloop._sandbox.patching import registry
    assert (simloop, simloop.world, len(registry._redirects)) == first, prefix
    assert simloop.simulate(main).time == 5
"""


@pytest.mark.slow
def test_modules_that_were_forgotten_are_brought_back():
    """Importing the package, or one of its modules, again gives the copy that patches already."""
    command = [sys.executable, "-c", textwrap.dedent(FORGETFUL)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

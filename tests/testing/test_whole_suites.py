"""Whole suites in virtual time: by the command, and by the mode that gives each test a world."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

APP = """
import asyncio, time
import fastapi, httpx, pytest
from fastapi.testclient import TestClient

app = fastapi.FastAPI()

@app.get("/report")
async def report():
    await asyncio.sleep(600)
    return {"pages": 3}

@pytest.mark.simloop
async def test_report_without_a_socket():
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
        answer = await client.get("/report", timeout=None)
    assert answer.json() == {"pages": 3}

def test_report_by_a_plain_client():
    began = time.time()
    with TestClient(app) as client:
        assert client.get("/report").json() == {"pages": 3}
    assert time.time() - began == 600
"""

SUITE = """
import asyncio, time, unittest

def test_plain():
    began = time.time()
    asyncio.run(asyncio.sleep(3600))
    assert time.time() - began == 3600

class TestCase(unittest.IsolatedAsyncioTestCase):
    async def test_it(self):
        began = time.time()
        await asyncio.sleep(60)
        self.assertEqual(time.time() - began, 60)
"""


def run(folder, *command):
    """Run Python in a folder, with no plugins but ours; return its output, errors and status."""
    env = os.environ | {
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "PYTHONHASHSEED": "0",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTEST_PLUGINS": "simloop.testing.plugin",
    }
    env.pop("PYTEST_ADDOPTS", None)
    return subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_a_suite_runs_by_the_command(tmp_path):
    """Plain tests and unittest's cases take hours of virtual time, with no warning of ours."""
    (tmp_path / "test_suite.py").write_text(SUITE)
    done = run(tmp_path, "-m", "simloop", "run", "pytest", "--", "-q", "-W", "error")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed in 3660.00s" in done.stdout
    assert "warning" not in done.stdout
    assert done.stderr.startswith("simloop: 1:01:00 virtual")
    done = run(tmp_path, "-m", "simloop", "run", "unittest", "--", "-q", "test_suite")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Ran 1 test in 60.000s" in done.stderr
    assert "ignored" not in done.stderr


def test_a_suite_that_fails_has_pytests_status(tmp_path):
    """The command ends with the status of pytest, and with its own for a wrong one."""
    (tmp_path / "test_suite.py").write_text("def test_it(): assert False")
    assert run(tmp_path, "-m", "simloop", "run", "pytest", "--", "-q").returncode == 1
    assert run(tmp_path, "-m", "simloop", "run", "pytest", "--", "--no-such").returncode == 4


@pytest.mark.parametrize("by", ["the command", "the mode"])
def test_starlettes_client_is_virtual(by, tmp_path):
    """TestClient, which runs the app on a loop in a thread of its own, takes no real time."""
    pytest.importorskip("fastapi")
    pytest.importorskip("httpx")
    (tmp_path / "test_app.py").write_text(APP)
    quiet = ("-q", "-W", "ignore")
    if by == "the command":
        done = run(tmp_path, "-m", "simloop", "run", "pytest", "--", *quiet, "-k", "plain_client")
    else:
        done = run(tmp_path, "-m", "pytest", *quiet, "-o", "simloop_mode=all")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{1 if by == 'the command' else 2} passed" in done.stdout

"""Tests that must fail do fail, each by name and for its reason, whoever runs them."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

SUITES = Path(__file__).parent / "suites"

#: One finding in a report of unittest: kind, test, qualified name, text.
FINDING = re.compile(
    r"^(?P<kind>FAIL|ERROR|UNEXPECTED SUCCESS): (?P<test>\w+) \((?P<id>[\w.]+)\).*\n"
    r"(?P<text>(?:.*\n)*?)(?=^=|^Ran |^UNEXPECTED|\Z)",
    re.MULTILINE,
)


@pytest.fixture(scope="module")
def canaries():
    """What each canary has to show, by its name."""
    spec = importlib.util.spec_from_file_location("canaries", SUITES / "canaries.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.CANARIES


def run(*arguments):
    """Run the interpreter in the folder of the suites, without this run's plugins."""
    return subprocess.run(
        [sys.executable, "-B", *arguments],
        cwd=SUITES,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        check=False,
    )


def by_name(findings):
    """Collect kinds and texts by qualified name of test and class."""
    kinds, texts = defaultdict(list), defaultdict(str)
    for kind, name, text in findings:
        for key in (name, name.partition(".")[0]):
            kinds[key].append(kind)
            texts[key] += text
    return kinds, texts


def unittest_s_findings(loop):
    done = run("-m", "asynctest_compat", "--loop", loop, "canaries")
    assert done.returncode == 1, done.stderr
    for found in FINDING.finditer(done.stderr):
        yield found["kind"], found["id"].removeprefix("canaries."), found["text"]


def pytest_s_findings(loop, report):
    done = run(
        *("-m", "pytest", "-q", "-p", "asynctest_compat.as_asynctest", "-p", "no:cacheprovider"),
        *("-c", os.devnull, "--rootdir", ".", f"--junitxml={report}", "--asynctest-loop", loop),
        "canaries.py",
    )
    assert done.returncode == 1, done.stdout + done.stderr
    for case in ET.parse(report).iter("testcase"):  # noqa: S314 - pytest wrote it
        name = f"{case.get('classname').removeprefix('canaries.')}.{case.get('name')}"
        for finding in (*case.iter("failure"), *case.iter("error")):
            yield finding.tag, name, f"{finding.get('message')}\n{finding.text}"


def missing_reasons(canaries, texts):
    return {
        name: [reason for reason in reasons if reason not in texts[name]]
        for name, (_, reasons) in canaries.items()
        if any(reason not in texts[name] for reason in reasons)
    }


def unmarked(canaries, kinds):
    """Everything that failed without being a canary, or the class of some."""
    classes = [name.partition(".")[0] for name in canaries]
    tests = [name for name in kinds if name not in canaries and name not in classes]
    return [name for name in tests if name.partition(".")[0] not in canaries]


@pytest.mark.slow
@pytest.mark.parametrize("loop", ["virtual", "stock"])
def test_every_canary_dies_under_unittest(canaries, loop) -> None:
    """Each of them is reported as the failure or error that it is, with its own reason."""
    kinds, texts = by_name(unittest_s_findings(loop))
    assert {name: kind for name, (kind, _) in canaries.items() if kind not in kinds[name]} == {}
    assert missing_reasons(canaries, texts) == {}
    assert unmarked(canaries, kinds) == []


@pytest.mark.slow
@pytest.mark.parametrize("loop", ["virtual", "stock"])
def test_every_canary_dies_under_pytest(canaries, loop, tmp_path) -> None:
    """Each of them fails, with its own reason."""
    kinds, texts = by_name(pytest_s_findings(loop, tmp_path / "report.xml"))
    assert [name for name in canaries if not kinds[name]] == []
    assert missing_reasons(canaries, texts) == {}
    assert unmarked(canaries, kinds) == []

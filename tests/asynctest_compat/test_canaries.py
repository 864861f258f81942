"""Tests that must fail do fail, each by name and for its reason, whoever runs them."""

from __future__ import annotations

import importlib.util
import re
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


def by_name(findings):
    """Collect kinds and texts by qualified name of test and class."""
    kinds, texts = defaultdict(list), defaultdict(str)
    for kind, name, text in findings:
        for key in (name, name.partition(".")[0]):
            kinds[key].append(kind)
            texts[key] += text
    return kinds, texts


def unittest_s_findings(python, loop):
    done = python("-m", "asynctest_compat", "--loop", loop, "canaries")
    assert done.returncode == 1, done.stderr
    for found in FINDING.finditer(done.stderr):
        yield found["kind"], found["id"].removeprefix("canaries."), found["text"]


def pytest_s_findings(run_pytest, loop, report):
    done = run_pytest(f"--junitxml={report}", "--asynctest-loop", loop, "canaries.py")
    assert report.exists(), done.stdout + done.stderr
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
def test_every_canary_dies_under_unittest(canaries, python, loop) -> None:
    """Each of them is reported as the failure or error that it is, with its own reason."""
    kinds, texts = by_name(unittest_s_findings(python, loop))
    assert {name: kind for name, (kind, _) in canaries.items() if kind not in kinds[name]} == {}
    assert missing_reasons(canaries, texts) == {}
    assert unmarked(canaries, kinds) == []


@pytest.mark.slow
@pytest.mark.parametrize("loop", ["virtual", "stock"])
def test_every_canary_dies_under_pytest(canaries, run_pytest, loop, tmp_path) -> None:
    """Each of them fails, with its own reason."""
    kinds, texts = by_name(pytest_s_findings(run_pytest, loop, tmp_path / "report.xml"))
    assert [name for name in canaries if not kinds[name]] == []
    assert missing_reasons(canaries, texts) == {}
    assert unmarked(canaries, kinds) == []

"""What users write type-checks: the snippets of README and of the pages, and files of their kind.

Owns: laying the code out as its readers would, so that one call of a type checker sees many pages:
a line of a page is the same line of its file. mypy and pyright come with the extra ``dev``; without
them these tests are skipped.

A page shows a program anew where it changes, and few annotations. So what is checked of it is
everything but that: no name is unknown, no argument wrong. The README and the files of
``user_code``, which are annotated, are checked as strictly as can be.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .test_snippets import PAGES, ROOT, blocks_of

USER_CODE = Path(__file__).parent / "user_code"
UNTYPED = ("asynctest", "pythonfmu", "salabim")  # Packages without types.
AS_PAGES_ARE = [
    "--allow-untyped-defs",
    "--allow-incomplete-defs",
    "--allow-untyped-calls",
    "--allow-untyped-decorators",
    "--allow-subclassing-any",
    "--disable-error-code=no-redef",
]

pytestmark = pytest.mark.slow


def layouts(pages):
    """Group the files of pages into folders; within one, files of a page import each other."""
    groups: list[dict[str, str]] = []
    for name in pages:
        units: dict[str, dict[str, str]] = {}
        for block in blocks_of((ROOT / name).read_text()):
            if block.language != "python" or block.reason is not None:
                continue
            folder, _, file = (block.file or "").rpartition("/")
            files = units.setdefault(folder, {})
            file = file or "page_" + re.sub(r"\W", "_", name.removesuffix(".md")) + ".py"
            above = files.get(file, "") if not block.file else ""
            files[file] = above + "\n" * (block.line - 1 - above.count("\n")) + block.text
        for files in units.values():
            group = next((each for each in groups if not each.keys() & files.keys()), None)
            if group is None:
                groups.append(group := {})
            group.update(files)
    return groups


def readme():
    """Each snippet of the README is a file of its own."""
    blocks = blocks_of((ROOT / "README.md").read_text())
    return {
        f"readme_line{block.line}.py": "\n" * (block.line - 1) + block.text
        for block in blocks
        if block.language == "python"
    }


def user_code():
    """Return the annotated files: users' programs and tests."""
    return {path.name: path.read_text() for path in sorted(USER_CODE.glob("*.py"))}


KINDS = {
    "pages": (lambda: layouts(PAGES), AS_PAGES_ARE),
    "readme": (lambda: [readme()], []),
    "user code": (lambda: [user_code()], []),
}


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Return the folder where mypy keeps what it knows of the packages, for all of these tests."""
    return tmp_path_factory.mktemp("mypy")


@pytest.fixture(params=KINDS)
def laid_out(request, tmp_path):
    """Yield the folders of a kind of code, and with which options mypy looks at it."""
    make, options = KINDS[request.param]
    groups = make()
    assert any(groups)
    folders = []
    for number, group in enumerate(groups):
        folder = tmp_path / str(number)
        folder.mkdir()
        for name, text in group.items():
            (folder / name).write_text(text)
        folders.append(folder)
    return folders, options


def told_by_mypy(folder, cache, options=()):
    """Return what mypy finds wrong in a folder; the packages are those beside these tests."""
    config = folder / "mypy.ini"
    sections = [f"[mypy-{name}.*]\nignore_missing_imports = true\n" for name in UNTYPED]
    config.write_text("[mypy]\n" + "".join(sections))
    beside = [str(ROOT)] if (ROOT / "simloop").exists() else []
    line = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", *options]
    line += ["--config-file", config.name, "--follow-imports=silent"]
    line += ["--cache-dir", str(cache), "."]
    env = os.environ | {"MYPYPATH": os.pathsep.join(beside)}
    done = subprocess.run(
        line, cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=600
    )
    return done.stdout + done.stderr


def told_by_pyright(folder):
    """Return what pyright finds wrong in a folder."""
    settings = {
        "extraPaths": [str(ROOT)] if (ROOT / "simloop").exists() else [],
        "reportRedeclaration": "none",  # A page shows a program anew where it changes.
        "reportMissingModuleSource": "none",
    }
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    line = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, "--outputjson"]
    done = subprocess.run(
        line, cwd=folder, capture_output=True, text=True, check=False, timeout=600
    )
    if not done.stdout.startswith("{"):
        pytest.skip(f"pyright can't be had here: {done.stderr.strip()[-200:]}")
    told = json.loads(done.stdout)
    assert told["summary"]["filesAnalyzed"] == len(list(folder.glob("*.py")))
    return [
        f"{Path(each['file']).name}:{each['range']['start']['line'] + 1}: {each['message']}"
        for each in told["generalDiagnostics"]
        if each["severity"] == "error"
        and not any(f'Import "{name}' in each["message"] for name in UNTYPED)
    ]


@pytest.mark.skipif(not importlib.util.find_spec("mypy"), reason="mypy is in the extra dev")
def test_mypy_accepts_what_users_write(laid_out, cache):
    """Mypy in strict mode finds nothing wrong in the code of a kind."""
    folders, options = laid_out
    assert "".join(told_by_mypy(folder, cache, options) for folder in folders) == ""


@pytest.mark.skipif(not importlib.util.find_spec("pyright"), reason="pyright is in the extra dev")
def test_pyright_accepts_what_users_write(laid_out):
    """Pyright finds nothing wrong in the code of a kind."""
    folders, _ = laid_out
    assert [told for folder in folders for told in told_by_pyright(folder)] == []


WRONG = """\
import asyncio
import simloop

async def main() -> float:
    asyncio.get_running_loop().advance(3)
    simloop.rnu
    return simloop.current_loop().time_ns("now")
"""


@pytest.mark.skipif(not importlib.util.find_spec("mypy"), reason="mypy is in the extra dev")
def test_mypy_sees_what_is_wrong(tmp_path, cache):
    """A name that simloop has not, an attribute of asyncio's loop, a wrong argument are told."""
    (tmp_path / "wrong.py").write_text(WRONG)
    told = told_by_mypy(tmp_path, cache)
    assert all(f"wrong.py:{line}:" in told for line in (5, 6, 7))


@pytest.mark.skipif(not importlib.util.find_spec("pyright"), reason="pyright is in the extra dev")
def test_pyright_sees_what_is_wrong(tmp_path):
    """The same for pyright."""
    (tmp_path / "wrong.py").write_text(WRONG)
    told = told_by_pyright(tmp_path)
    assert all(any(each.startswith(f"wrong.py:{line}:") for each in told) for line in (5, 6, 7))


@pytest.mark.parametrize("name", ["asynctest_suite.py", "pytest_suite.py"])
def test_the_suites_that_are_checked_run(name, tmp_path):
    """The annotated suites pass, so that what is checked is what works."""
    (tmp_path / f"test_{name}").write_text((USER_CODE / name).read_text())
    env = os.environ | {
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTEST_PLUGINS": "simloop.testing.plugin",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"test_{name}"],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_program_that_is_checked_runs():
    """The annotated program does all that it is checked for."""
    spec = importlib.util.spec_from_file_location("whole_program", USER_CODE / "whole_program.py")
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    assert program.judge()
    assert program.drive() == 5
    program.everything()

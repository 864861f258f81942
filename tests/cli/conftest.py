"""What the command's tests share: an interpreter state of their own, and the command itself."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from simloop.cli import main


@pytest.fixture
def interpreter(monkeypatch, tmp_path):
    """Give a test its own argv, path, modules and working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["simloop"])
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    modules = dict(sys.modules)
    importlib.invalidate_caches()
    yield
    for name in list(sys.modules):
        if name not in modules and not name.startswith("simloop."):  # Two of ours would not mix.
            del sys.modules[name]
    sys.modules.update(modules)


@pytest.fixture
def command_on(interpreter, tmp_path, capsys):
    """Make what runs a line of the command, in this process, beside a program in a file."""

    def command_on(name, source):
        (tmp_path / name).write_text(source)

        def simloop(*line):
            status = main(line)
            said = capsys.readouterr()
            return SimpleNamespace(status=status, out=said.out, err=said.err)

        return simloop

    return command_on


@pytest.fixture
def run(interpreter, tmp_path, capsys):
    """Run a program's source by the command, in this process."""

    def run(source, *line, target="app.py"):
        (tmp_path / "app.py").write_text(source)
        status = main(["run", target, *line])
        said = capsys.readouterr()
        return SimpleNamespace(status=status, out=said.out, err=said.err)

    return run


@pytest.fixture
def command(tmp_path):
    """Run the command in a process of its own, in the test's folder."""

    def command(*line, hash_seed=None, script=None, **options):
        env = {name: value for name, value in os.environ.items() if name != "PYTHONHASHSEED"}
        if hash_seed is not None:
            env["PYTHONHASHSEED"] = str(hash_seed)
        start = ["-m", "simloop"] if script is None else [script]
        return subprocess.run(
            [sys.executable, *start, *line],
            cwd=tmp_path,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            **options,
        )

    return command

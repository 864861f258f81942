"""Run Python as if it were on another platform: only the names and modules that it has there.

    python tests/platforms/elsewhere.py darwin -c "import simloop"
    python tests/platforms/elsewhere.py win32 -m pytest tests/kernel

Owns: taking away, by what :mod:`typeshed_names` reads, modules, functions, constants and members
of enumerations that the other platform lacks; and in a run of pytest, skipping the tests that
themselves use what is not there.

What it can't show: how that platform behaves (its values of constants, its paths, its processes).
The standard library's own modules are loaded before, since they were written for the platform on
which this runs; what is imported after is everything else, simloop first of all.
"""

from __future__ import annotations

import ast
import contextlib
import enum
import importlib
import importlib.util
import io
import json
import os
import runpy
import sys
import types
from pathlib import Path
from typing import ClassVar

from typeshed_names import lacking, modules, names_on

PLATFORMS = ("linux", "darwin", "win32")

LOADED_BEFORE = (
    *("asyncio", "asyncio.unix_events", "concurrent.futures.process", "concurrent.futures.thread"),
    *("ctypes.util", "curses", "dbm", "decimal", "doctest", "email.message", "encodings.idna"),
    *("getpass", "glob", "gzip", "http.client", "http.server", "importlib.metadata", "inspect"),
    *("json", "linecache", "locale", "logging.handlers", "mailbox", "multiprocessing.connection"),
    *("multiprocessing.managers", "multiprocessing.pool", "multiprocessing.popen_fork"),
    *("multiprocessing.popen_forkserver", "multiprocessing.popen_spawn_posix"),
    *("multiprocessing.queues", "multiprocessing.resource_tracker"),
    *("multiprocessing.shared_memory", "multiprocessing.synchronize", "os", "pathlib", "pdb"),
    *("pickle", "platform", "profile", "pstats", "pydoc", "queue", "random", "secrets", "select"),
    *("selectors", "shlex", "shutil", "signal", "site", "smtplib", "socket", "socketserver"),
    *("sqlite3", "ssl", "statistics", "subprocess", "tarfile", "tempfile", "threading", "time"),
    *("timeit", "tomllib", "trace", "tracemalloc", "typing", "unittest.mock", "urllib.request"),
    *("uuid", "venv", "warnings", "webbrowser", "xml.etree.ElementTree", "zipfile", "zoneinfo"),
)
"""What of the standard library needs its own platform to be loaded, or is used by what we need."""

ABSENT = {"win32": ("asyncio.unix_events",)}
"""Modules whose stubs have some names left, and that raise ImportError where they don't belong."""

ONLY_THERE = {"win32": ("msvcrt",)}
"""Modules that are there and not here, and that we use."""

IN_C = {"os": "posix", "signal": "_signal", "socket": "_socket"}
"""Where those modules have their names from."""


def become(platform):
    """Take away what a platform lacks; return that, by module, None for a whole module."""
    for name in LOADED_BEFORE:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    keep_own_copies()
    taken = {name: take(name, platform) for name in modules()}
    for name in ONLY_THERE.get(platform, ()):
        add_module(name, platform)
    if platform == "win32":  # What pytest asks the streams for.
        io._WindowsConsoleIO = type("_WindowsConsoleIO", (io.RawIOBase,), {})
    for source, module in IN_C.items():
        if (home := sys.modules.get(module)) is not None:
            for each in taken.get(source) or ():
                vars(home).pop(each, None)
    if not hasattr(sys.modules["_socket"], "socketpair"):
        pair_in_python(sys.modules["socket"])
    sys.modules["tempfile"]._O_TMPFILE_WORKS = hasattr(sys.modules["os"], "O_TMPFILE")
    if platform != "linux":  # What both have; macOS has kqueue besides.
        sys.modules["selectors"].DefaultSelector = sys.modules["selectors"].SelectSelector
    sys.platform = platform
    sys.meta_path.insert(0, Late())
    return {name: names for name, names in taken.items() if names or names is None}


def take(name, platform):
    """Take away a module, or what it has too much; return that, None for the whole module."""
    is_missing, names, members = lacking(name, platform)
    if is_missing or name in ABSENT.get(platform, ()):
        parent, _, last = name.rpartition(".")
        if parent in sys.modules and hasattr(sys.modules[parent], last):
            delattr(sys.modules[parent], last)
        sys.modules[name] = None
        return None
    module = sys.modules.get(name)
    if module is None:
        if names:  # It is taken away when it is loaded.
            Late.waiting[name] = names
        return []
    gone = [each for each in names if hasattr(module, each)]
    for each in gone:
        delattr(module, each)
    for cls, of_class in members.items():
        take_members(module, cls, of_class)
    return gone


def take_members(module, cls, gone):
    """Rebuild an enumeration without some members."""
    kind = getattr(module, cls, None)
    if not (isinstance(kind, type) and issubclass(kind, enum.Enum)):
        return
    left = {name: each.value for name, each in kind.__members__.items() if name not in gone}
    smaller = enum.IntEnum(cls, left, module=module.__name__)
    setattr(module, cls, smaller)
    for name, value in left.items():
        if hasattr(module, name):
            setattr(module, name, smaller(value))


def pair_in_python(module):
    """Define ``socket.socketpair`` as the module does where C has none."""
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.If) and "'socketpair'" in ast.unparse(node.test):
            other = ast.Module(node.orelse, [])
            exec(compile(other, module.__file__, "exec"), vars(module))  # noqa: S102 - Python's own


def add_module(name, platform):
    """Make a module that is not here, with the constants of typeshed; its functions do nothing."""
    there = names_on(name, platform)
    module = types.ModuleType(name)
    for each in there.names:
        setattr(module, each, there.values.get(each, lambda *_args: None))
    sys.modules[name] = module


def keep_own_copies():
    """Let what starts real processes go on by the names of this platform."""
    copies = {}
    for name in ("os", "signal"):
        copies[name] = types.ModuleType(name)
        vars(copies[name]).update(vars(sys.modules[name]))
    for name, module in sys.modules.items():
        if name == "subprocess" or name.startswith("multiprocessing."):
            vars(module).update({key: copies[key] for key in copies if hasattr(module, key)})


class Late:
    """Takes names away from modules that are loaded afterwards."""

    waiting: ClassVar[dict[str, list[str]]] = {}

    def find_spec(self, name, path=None, target=None):
        """Let the others find the module, and look at it once it is there."""
        if name not in self.waiting:
            return None
        gone = self.waiting.pop(name)
        spec = importlib.util.find_spec(name)
        if spec is None or spec.loader is None:
            return spec
        run = spec.loader.exec_module

        def exec_module(module):
            run(module)
            for each in gone:
                vars(module).pop(each, None)

        spec.loader.exec_module = exec_module
        return spec


def needed(error, taken):
    """Return what a test has asked for that is not there, or None where it is not its doing."""
    if "has no fork()" in str(error):
        return str(error)
    while error is not None and not isinstance(error, (AttributeError, ImportError)):
        error = error.__cause__ or error.__context__
    if error is None:
        return None
    trace = error.__traceback__
    while trace.tb_next is not None:
        trace = trace.tb_next
    asked = Path(trace.tb_frame.f_code.co_filename)
    if isinstance(error, ImportError):
        is_taken = taken.get(error.name, ()) is None
    else:
        is_taken = error.name in (taken.get(getattr(error.obj, "__name__", "")) or ())
    is_theirs = asked.name.startswith("<frozen importlib") or any(
        each in asked.parts for each in ("tests", "site-packages")
    )
    is_ours = any(each in asked.parts for each in ("simloop", "asynctest_compat"))
    return f"it needs {error.name}" if is_taken and is_theirs and not is_ours else None


def run_pytest(arguments, taken):
    """Run pytest, with our plugin alone; a test that uses a name of Linux itself is skipped."""
    import pytest

    def skip(report, call, path):
        if report.failed and call is not None and call.excinfo is not None:
            reason = needed(call.excinfo.value, taken)
            if reason is not None:
                report.outcome, report.longrepr = "skipped", (str(path), 0, reason)
        return report

    class NeedsLinux:
        @pytest.hookimpl(wrapper=True)
        def pytest_make_collect_report(self, collector):
            report = yield
            return skip(report, report.call, collector.path)

        @pytest.hookimpl(wrapper=True)
        def pytest_runtest_makereport(self, item, call):
            report = yield
            return skip(report, call, item.path)

    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    # What a test leaves behind that broke off at a missing name is no other test's fault.
    plugins = ["-p", "simloop.testing.plugin", "-p", "no:unraisableexception"]
    return pytest.main([*plugins, *arguments], plugins=[NeedsLinux()])


def main(arguments):
    """Run what is asked for, like the interpreter's own ``-c`` and ``-m``, or a file."""
    platform, kind, *rest = arguments
    if platform not in PLATFORMS:
        raise SystemExit(f"{platform} is none of {', '.join(PLATFORMS)}")
    sys.path[0] = ""
    if kind == "--show":
        sys.stdout.write(json.dumps(become(platform), indent=1) + "\n")
        return 0
    if kind == "-m" and rest[0] == "pytest":
        for name in ("pytest", "_pytest.terminal", "hypothesis"):
            importlib.import_module(name)  # These were installed for this platform, too.
        return run_pytest(rest[1:], become(platform))
    become(platform)
    if kind == "-c":
        sys.argv = ["-c", *rest[1:]]
        exec(compile(rest[0], "<string>", "exec"), {"__name__": "__main__"})  # noqa: S102
    elif kind == "-m":
        sys.argv = rest
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    else:
        sys.argv = [kind, *rest]
        runpy.run_path(kind, run_name="__main__")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The same program again, in a fresh process.

Owns: how a coroutine function finds its way there, what the process is told and hands back, and
what makes two such processes alike or different: the hash seed, and whether objects lie at random
addresses.

Must not know: what the runs are compared for.

Invariants:

- A function's module is imported there, or read from its file or from the command line. The main
  module comes without what it guards by ``if __name__ == "__main__":``, and only as far as to its
  own call of ``check``, if it has one outside of that.
- What the program prints there is not shown: it is what it prints here, or it is shown why not.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import json
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import attrs

from simloop._kernel.safe_looks import message_of
from simloop._sandbox import current, passed_over
from simloop._sandbox.process.exit_functions import ExitFunctions
from simloop.trace import Recorder, canonical
from simloop.trace.address_order import OrderLook
from simloop.trace.causes import Observed
from simloop.trace.lines import COMMAND_LINE, LineRecorder, know_source
from simloop.world.running import outcome_of
from simloop.world.world import world_of

from .function_pickling import pack, unpack

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Iterator

    from simloop.world.run_options import RunOptions

    Main = Callable[[], Coroutine[Any, Any, Any]]

__all__ = [
    "FreshProcess",
    "Program",
    "StopLoading",
    "attempt",
    "emptied",
    "hash_seed_here",
    "is_good_exit",
    "observe",
    "serve",
    "stop_if_loading",
    "temporary_folder",
    "without_aslr",
]

_ENTRY = (
    "import sys, json; sys.path[:] = json.loads(sys.argv.pop(1));"
    " from simloop.world.fresh.fresh_process import serve; serve(*sys.argv[1:])"
)
_HOLD_STILL = (
    "import ctypes, os, sys\n"
    "if ctypes.CDLL(None).personality(0x0040000) < 0: sys.exit(9)\n"  # ADDR_NO_RANDOMIZE
    "os.execv(sys.argv[1], sys.argv[1:])"
)


class StopLoading(BaseException):
    """The main module has come to its own check, so what the check needs is there."""


_loading = False


def stop_if_loading() -> None:
    """Go no further in a fresh process: the main module has come to its own call there.

    Raises:
        StopLoading: This is one.
    """
    if _loading:
        raise StopLoading


def attempt(hash_seed: str, memory: str, number: int | None) -> str:
    """Say what a run that looks for a cause tries."""
    tried = {"moved": ", objects moved in memory", "still": ", no random addresses"}
    looks = "" if number is None else f", sets of objects near step {number}"
    return f"a fresh process with PYTHONHASHSEED {hash_seed}{tried.get(memory, '')}{looks}"


def hash_seed_here() -> str:
    """Return this process's hash seed, or ``random``."""
    if not sys.flags.hash_randomization:
        return "0"
    return os.environ.get("PYTHONHASHSEED", "random")


@attrs.frozen
class Program:
    """A coroutine function and its options, on the way to another process."""

    main: bytes
    """The function and its options."""
    module: str
    file: str | None
    package: str | None
    argv: list[str]
    code: str | None
    """The main module, if it is ``python -c CODE``."""

    @classmethod
    def of(cls, main: Main, options: Any) -> Program | None:
        """Pack a function up; None if it cannot be had elsewhere."""
        if current() is not None:
            return None  # Starting processes is for those outside.
        try:
            packed = pack((main, options))
        except Exception:  # noqa: BLE001 - whatever pickling raises for what it can't do
            return None
        inner: Any = main
        while hasattr(inner, "func"):  # functools.partial
            inner = inner.func
        module = getattr(inner, "__module__", None)
        loaded = sys.modules.get(module or "")
        if module is None or loaded is None:
            return None
        file = getattr(loaded, "__file__", None)
        code = None
        if module == "__main__" and not (file and Path(file).is_file()):
            code, file = _command_line_code(), None
            if code is None:
                return None
        file = None if file is None else str(Path(file).absolute())
        package = getattr(loaded, "__package__", None)
        return cls(packed, module, file, package, list(sys.argv), code)

    def load(self, *, again: bool = True) -> tuple[Main, Any]:
        """Find the function again, in the process that it was sent to.

        Args:
            again: Whether its module is run or imported there, unless it was before.
        """
        global _loading  # noqa: PLW0603 - a state of this process
        sys.argv[:] = self.argv
        _loading = True
        try:
            if again:
                self._load_module()
        except StopLoading:
            pass
        finally:
            _loading = False
        main, options = unpack(self.main)
        return main, options

    def _load_module(self) -> None:
        if self.module == "__main__":
            if self.code is not None:
                _run_as_main(self.code, COMMAND_LINE, self.package)
            elif self.file is not None:
                _run_as_main(Path(self.file).read_bytes(), self.file, self.package)
            return
        try:
            importlib.import_module(self.module)
        except ModuleNotFoundError:
            if self.file is None:
                raise
            _import_file(self.module, self.file)


def _command_line_code() -> str | None:
    """Return what ``python -c`` was given, if this is one."""
    if "-c" not in sys.orig_argv:
        return None
    code = sys.orig_argv[sys.orig_argv.index("-c") + 1]
    know_source(COMMAND_LINE, code)
    return code


def _run_as_main(source: str | bytes, file: str, package: str | None) -> None:
    """Run source as the main module, without what it does only as such."""
    tree = ast.parse(source, file)
    tree.body = [each for each in tree.body if not _is_guarded(each)]
    module = ModuleType("__main__")
    vars(module).update(__package__=package, __builtins__=__builtins__)
    if isinstance(source, str):
        know_source(file, source)
    else:
        vars(module)["__file__"] = file
    sys.modules["__main__"] = module
    exec(compile(tree, file, "exec", dont_inherit=True), vars(module))  # noqa: S102 - the program


def _is_guarded(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.If) and any(
        isinstance(node, ast.Name) and node.id == "__name__" for node in ast.walk(statement.test)
    )


def _import_file(name: str, file: str) -> None:
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None, file
    assert spec.loader is not None, file
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)


def observe(
    main: Main,
    seed: int | str,
    options: RunOptions,
    *,
    closely: bool = True,
    number: int | None = None,
) -> Observed:
    """Run a program once, in silence, and look: closely, at each step and line, or at its digest.

    Args:
        main: The program.
        seed: Its seed.
        options: Its other options.
        closely: Whether to keep its steps and lines.
        number: The step near which sets of objects are looked for, if any.
    """
    options = options._replace(seed=seed)
    world = world_of("check()", options)
    recorder = Recorder() if closely else None
    look = None if number is None else OrderLook(number)
    if look is not None:
        world.watch(look)
    lines = LineRecorder(current)
    started, passed = len(_started), len(passed_over)
    with lines if closely else nullcontext():
        placed = options.placed_in(world)
        if options.disk:  # As for a run that makes its world itself.
            world.process.exit_functions = ExitFunctions(finalizes=True)
        outcome = outcome_of("check()", main, placed, recorder, is_silent=True)
    error = outcome.error
    return Observed(
        outcome.digest,
        [] if recorder is None else recorder.steps,
        lines.lines,
        world.kernel.before_jump is not None or len(_started) > started,
        f"{canonical(outcome.value if error is None else error)}, steps {outcome.steps}, "
        f"time {outcome.time} s, digest {outcome.digest}",
        "" if error is None or is_good_exit(error) else message_of(error),
        b"" if error is None else _pickled(error),
        [] if look is None else look.found,
        len(passed_over) > passed,
    )


def is_good_exit(error: BaseException) -> bool:
    """Return whether an error is how a program ends that has done its work: ``sys.exit(0)``."""
    return type(error) is SystemExit and error.code in (None, 0)


def _pickled(error: BaseException) -> bytes:
    """Pack an error up for the process that asked; nothing where it can't be packed."""
    try:
        return pickle.dumps(error)
    except BaseException:  # noqa: BLE001 - the program's own __reduce__ may raise anything
        return b""


def emptied(temporary: Path | None) -> dict[str, str]:
    """Empty a folder for temporary files; return what of the environment names it.

    One seed gives each process the same temporary names. Where a name is taken, by a file that
    another process keeps or left behind, the next one is drawn, which is a difference, but not the
    one that is looked for. So processes that are compared have one folder, one after the other.
    """
    if temporary is None:
        return {}
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    return dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temporary))


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Have the path of a folder that can be emptied."""
    with tempfile.TemporaryDirectory(prefix="simloop-check-") as folder:
        yield Path(folder, "tmp")


class FreshProcess:
    """Runs of a program for some seeds in one fresh process, which works while we do.

    Args:
        program: The program.
        seeds: The seeds, one run each.
        hash_seed: The process's ``PYTHONHASHSEED``.
        closely: Whether to keep steps and lines.
        memory: As for :func:`simloop.trace.causes.diagnose`.
        number: The step near which sets of objects are looked for, if any.
        temporary: A folder that is emptied, for its temporary files; the usual one if None.
    """

    def __init__(
        self,
        program: Program,
        seeds: Iterable[int | str],
        hash_seed: str,
        *,
        closely: bool = False,
        memory: str = "",
        number: int | None = None,
        temporary: Path | None = None,
    ) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="simloop-check-")
        job = Path(self._folder.name, "job")
        self._result = Path(self._folder.name, "result")
        job.write_bytes(pickle.dumps((program, list(seeds), closely, memory, number)))
        flags: list[str] = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
        command = [sys.executable, *flags, "-c", _ENTRY, json.dumps(sys.path)]
        command += [str(job), str(self._result)]
        self._process = subprocess.Popen(  # noqa: S603 - ourselves
            without_aslr(command) if memory == "still" else command,
            env={**os.environ, **emptied(temporary), "PYTHONHASHSEED": hash_seed},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.errors: str = ""
        """What the process wrote to stderr, when it has ended."""

    def result(self, patience_s: float | None = None) -> list[Observed] | None:
        """Wait for the runs, for so many seconds; None if the process broke off or takes longer."""
        try:
            self.errors = self._process.communicate(timeout=patience_s)[1]
        except subprocess.TimeoutExpired:
            return None
        else:
            return self._read()
        finally:
            self._end()

    def _read(self) -> list[Observed] | None:
        if not self._result.exists():
            return None
        seen: list[Observed] = pickle.loads(self._result.read_bytes())  # noqa: S301 - ours
        return seen

    def _end(self) -> None:
        """End the process, if it still runs, and remove its files."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()
        self._folder.cleanup()


def without_aslr(command: list[str]) -> list[str]:
    """Return a command that runs another one without random addresses, where Linux lets us."""
    return [sys.executable, "-c", _HOLD_STILL, *command]


_started: list[str] = []
"""Events of real processes that runs in this process have started, if it is a fresh one."""


def _audit(event: str, _args: object) -> None:
    if event in ("subprocess.Popen", "os.posix_spawn", "os.fork") and current() is not None:
        _started.append(event)


def move_memory() -> object:
    """Take pieces of memory, of all sizes that objects have, so that others lie elsewhere."""
    pieces = [bytearray(size) for size in range(512) for _ in range(64 + size % 7)]
    return [piece for number, piece in enumerate(pieces) if number % 3 and number % 5]


def serve(job: str, result: str) -> None:
    """Do a job, in the fresh process."""
    sys.addaudithook(_audit)
    program, seeds, closely, memory, number = pickle.loads(Path(job).read_bytes())  # noqa: S301 - from FreshProcess
    in_the_way = move_memory() if memory == "moved" else None
    main, options = program.load()
    seen = [observe(main, seed, options, closely=closely, number=number) for seed in seeds]
    del in_the_way
    Path(result).write_bytes(pickle.dumps(seen))

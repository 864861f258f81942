"""``simloop.check``: what a seed decides passes; what it does not is told by kind and line."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import functools
import io
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

import simloop
from simloop.world.fresh.fresh_process import FreshProcess

from . import suspects

HERE = Path(suspects.__file__)


def line_of(name):
    """The number of the line that a suspect marks as the one to blame."""
    lines = HERE.read_text().splitlines()
    start = lines.index(f"async def {name}():")
    return next(n for n, line in enumerate(lines[start:], start + 1) if line.endswith("# here"))


def told(name, **options):
    """What check says of a suspect."""
    with pytest.raises(simloop.NondeterminismError) as caught:
        simloop.check(getattr(suspects, name), seeds=[5], **options)
    return str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "processes"),
    [("set_of_strings", True), ("comprehension", None), ("set_in_a_call", None), ("pop", None)],
)
def test_hash_order_is_told_with_its_line(name, processes):
    """A set of strings is caught across two hash seeds, and the line that goes through it named."""
    text = told(name, processes=processes)
    assert "of seed 5, in fresh processes, differ; step " in text
    assert re.search(r"\n  first run:  at [\d.]+ s  .*\n  second run:  at [\d.]+ s  ", text)
    assert "Likely cause: hash order (processes with one PYTHONHASHSEED run the same" in text
    assert f"It begins at {HERE}:{line_of(name)}, in {name}" in text
    assert HERE.read_text().splitlines()[line_of(name) - 1].strip() in text
    assert "sorted(...)" in text


@pytest.mark.slow
def test_a_hash_of_a_string_is_told():
    """Where no line shows it, the place of the first step that differs is told."""
    text = told("hash_of_a_string")
    assert "Likely cause: hash order" in text
    assert re.search(rf"It begins near {HERE}:\d+:\n      \S", text)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["by_id", "set_of_objects"])
def test_id_order_is_told_with_its_line(name):
    """An order of addresses is caught, proven by runs at the same addresses or by its line."""
    text = told(name)
    assert "Likely cause: id() order (" in text
    assert f"It begins at {HERE}:{line_of(name)}, in {name}" in text


@pytest.mark.slow
def test_real_time_is_told_with_its_line():
    """What C code reads of the machine's clock is real; the line that asked for it is named."""
    text = told("real_time")
    assert "Likely cause: real time (by '" in text
    assert re.search(rf"It begins (near|at) {HERE}:\d+", text)


@pytest.mark.slow
def test_unseeded_entropy_is_told():
    """What C code draws by itself is told as entropy, near the line that used it."""
    text = told("real_entropy")
    assert "Likely cause: unseeded entropy (by '" in text
    assert re.search(rf"It begins (near|at) {HERE}:\d+", text)


@pytest.mark.slow
def test_a_real_thread_is_told_with_its_line():
    """The order in which real threads end is told as theirs, where the loop first sees it."""
    text = told("real_threads")
    assert "Likely cause: a real thread or process" in text
    # At the line or near it: two processes may differ in how the loop heard of the same order.
    assert re.search(rf"It begins (at|near) {HERE}:\d+", text)


@pytest.mark.slow
def test_a_real_process_is_told():
    """What an allowed process answers is told as its doing, or by the words of the line."""
    text = told("real_process")
    assert "Likely cause: " in text
    assert re.search(rf"It begins (near|at) {HERE}:\d+", text)


@pytest.mark.slow
def test_state_that_a_run_leaves_behind_is_told():
    """A module's variable that the second run finds changed is told apart from the real world."""
    text = told("state")
    assert text.startswith("runs 1 and 2 of seed 5 differ; step ")
    assert "Likely cause: state that the first run left behind (in fresh processes" in text
    assert "COUNT is [" in text
    simloop.check(suspects.state, seeds=[5], processes=True)  # There it leaves nothing.


@pytest.mark.slow
@pytest.mark.parametrize("holds_a_lock", [False, True])
def test_a_function_within_a_function_is_looked_at(holds_a_lock):
    """A function made in another one is looked at elsewhere, or here if it cannot go there."""
    held = threading.Lock() if holds_a_lock else None

    async def main():
        random = ctypes.create_string_buffer(8)
        ctypes.CDLL(None).getrandom(random, 8, 0)
        await asyncio.sleep(int.from_bytes(random.raw, "big") % 1000)
        return held is None

    with pytest.raises(simloop.NondeterminismError) as caught:
        simloop.check(main, seeds=[0])
    text = str(caught.value)
    assert "runs 1 and 2 of seed 0 differ; step 0 differs" in text
    assert "Likely cause: " in text


@pytest.mark.slow
def test_an_order_within_a_function_is_told():
    """Functions within a test, and what they have closed over, go to fresh processes, too."""
    hosts = [f"host{number}" for number in range(9)]

    async def visit(host, *, depth=1):
        await asyncio.sleep(len(host))
        if depth:
            await visit(host, depth=depth - 1)

    async def main():
        for host in set(hosts):
            await asyncio.create_task(visit(host), name=host)

    with pytest.raises(simloop.NondeterminismError) as caught:
        simloop.check(main, seeds=[0])
    text = str(caught.value)
    assert "Likely cause: hash order" in text
    assert "      for host in set(hosts):\n" in text


@pytest.mark.slow
@pytest.mark.parametrize(("name", "processes"), [("innocent", None), ("fails", True)])
def test_what_the_seed_decides_passes(name, processes):
    """A program that depends on its seed alone passes, here and elsewhere, failing or not."""
    main = getattr(suspects, name)
    simloop.check(main, seeds=range(3), processes=processes, runs=3, errors=False)


@pytest.mark.slow
def test_options_go_along():
    """What run takes beside reaches every process; so does a partial function."""
    simloop.check(
        functools.partial(suspects.nap, "x" * 50),
        seeds=[0],
        start_date=0,
        max_time=60,
        allow=("files",),
        processes=True,
    )


@pytest.mark.slow
def test_what_is_replaced_here_is_no_difference(monkeypatch):
    """A test that replaces a part of the program is not told that fresh processes run another."""
    monkeypatch.setattr(suspects, "COUNT", [5])
    monkeypatch.setattr(suspects, "nap", lambda name: asyncio.sleep(99))
    simloop.check(suspects.innocent, seeds=[0])


def test_what_cannot_go_elsewhere_is_told():
    """Fresh processes cannot have a function that holds a lock; the error says what to do."""
    lock = threading.Lock()

    async def main():
        return lock

    with pytest.raises(simloop.UsageError, match="define it at the top level of a file"):
        simloop.check(main, processes=True)


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["check(main)", "def test():\n    check(main)\ntest()"])
def test_a_command_line_checks_itself(ending):
    """A program that is ``python -c CODE`` is checked across hash seeds as a script is."""
    code = (
        "import asyncio\nfrom simloop import check\n\nasync def main():\n"
        "    for name in {'a', 'b', 'c', 'd', 'e', 'f', 'g'}:\n"
        f"        await asyncio.create_task(asyncio.sleep(1), name=name)\n\n{ending}\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(Path(simloop.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Likely cause: hash order" in done.stderr
    assert "It begins at <string>:5, in main:\n      for name in {'a'" in done.stderr


@pytest.mark.slow
def test_a_process_that_breaks_off_is_told(tmp_path, monkeypatch):
    """A program that cannot be loaded there is an error that shows why."""
    (tmp_path / "fragile.py").write_text(
        "import os\nif os.environ['PYTHONHASHSEED'] == '2':\n    raise LookupError('no')\n"
        "async def main():\n    pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONHASHSEED", "0")
    import fragile

    with pytest.raises(simloop.UsageError, match=r"process 2 broke off:\n(?s:.*)LookupError: no"):
        simloop.check(fragile.main, seeds=[0], processes=True)


@pytest.mark.slow
def test_a_fresh_process_that_hangs_is_given_up(tmp_path, monkeypatch):
    """A module that never ends loading elsewhere is left alone, where nobody asked for it."""
    (tmp_path / "hanging.py").write_text(
        "import os, time\nif os.environ['PYTHONHASHSEED'] == '1':\n    time.sleep(1000)\n"
        "async def main():\n    pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONHASHSEED", "0")
    monkeypatch.setattr("simloop.world.checking._PATIENCE_S", 0.5)
    results = []
    wait = FreshProcess.result

    def result(process, patience_s):
        results.append(wait(process, patience_s))
        assert process._process.returncode == -signal.SIGKILL
        return results[-1]

    monkeypatch.setattr(FreshProcess, "result", result)
    import hanging

    simloop.check(hanging.main, seeds=[0])
    assert results == [None]


@pytest.mark.slow
@pytest.mark.parametrize("guard", ["if __name__ == '__main__':\n    ", ""])
def test_a_script_checks_itself(guard, tmp_path):
    """A script may check its own main, guarded or not, and is not started over and over."""
    script = tmp_path / "script.py"
    script.write_text(
        "import asyncio, simloop, sys\n\n"
        "async def main():\n"
        "    for name in {'a', 'b', 'c', 'd', 'e', 'f', 'g'}:\n"
        "        await asyncio.create_task(asyncio.sleep(1), name=name)\n\n"
        "print('begun')\n"
        f"{guard}simloop.check(main, seeds=[0, 1])\n"
    )
    done = subprocess.run(
        [sys.executable, script],
        env={**os.environ, "PYTHONPATH": str(Path(simloop.__file__).parents[1])},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "begun\n"
    assert "NondeterminismError: runs 1 and 2 of seed 0, in fresh processes, differ" in done.stderr
    assert f"It begins at {script}:4, in main:\n      for name in {{'a', 'b'" in done.stderr


class Unpicklable(Exception):  # noqa: N818 - what is tested
    """An error that can't go to another process."""

    def __reduce__(self):
        raise SystemExit


@pytest.mark.parametrize("kind", [LookupError, SystemExit, Unpicklable, simloop.DeadlockError])
def test_an_error_is_raised_with_its_seed(kind):
    """A program that fails with some seeds is told so: its own error, and which seeds."""

    async def main():
        await asyncio.sleep(1)
        if random.random() > 0.5:
            raise kind("the bug")

    failing = [seed for seed in range(20) if simloop.simulate(main, seed=seed).error is not None]
    with pytest.raises(kind) as caught:
        simloop.check(main, seeds=range(20), processes=False)
    (note,) = caught.value.__notes__
    assert not isinstance(caught.value, simloop.NondeterminismError)
    assert f"fails with seed {failing[0]}, in the same way in each of 2 runs" in note
    assert f"simloop.run(main(), seed={failing[0]})" in note
    assert f"with {len(failing)} seeds; the others: {', '.join(map(str, failing[1:]))}." in note
    simloop.check(main, seeds=range(20), processes=False, errors=False)


@pytest.mark.parametrize("kind", [LookupError, SystemExit, Unpicklable])
def test_seeds_are_shared_by_processes(kind):
    """With several processes the same seeds fail, by the program's own error and traceback."""

    async def main():
        await asyncio.sleep(1)
        if random.random() > 0.5:
            raise kind("the bug")

    told = []
    for jobs in (1, 2):
        with pytest.raises(kind) as caught:
            simloop.check(main, seeds=range(20), processes=False, jobs=jobs)
        told.append(caught.value.__notes__)
        assert caught.traceback[-1].name == "main"
    assert told[0] == told[1]
    simloop.check(main, seeds=range(20), jobs=2, errors=False)
    with pytest.raises(simloop.UsageError, match="jobs="):
        simloop.check(main, seeds=range(20), jobs=0)


def test_a_difference_is_found_by_several_processes():
    """The first seed whose runs differ is the one that one process finds."""
    count = []

    async def main():
        if random.random() > 0.7:
            count.append(1)
            await asyncio.sleep(len(count))

    said = []
    for jobs in (1, 2):
        with pytest.raises(simloop.NondeterminismError) as caught:
            simloop.check(main, seeds=range(20), processes=False, jobs=jobs)
        said.append(str(caught.value).partition(";")[0])
    assert said[0] == said[1]


def test_a_good_exit_is_no_error():
    """A program that ends by ``sys.exit()`` has done its work."""

    async def main(code):
        sys.exit(code)

    simloop.check(lambda: main(0), seeds=[0], processes=False)
    simloop.check(lambda: main(None), seeds=[0], processes=False)


def test_nondeterminism_comes_before_an_error():
    """A program that fails otherwise each time is told as nondeterministic, not as failing."""
    count = []

    async def main():
        count.append(1)
        raise LookupError(len(count))

    with pytest.raises(simloop.NondeterminismError) as caught:
        simloop.check(main, seeds=[0], processes=False)
    assert re.search(r"first run:  .*\n  second run:  ", str(caught.value))


def test_output_is_compared_and_shown_once(capsys):
    """Runs that only print other things differ: the step and both lines are told; nothing twice."""
    count = []

    async def main():
        await asyncio.sleep(1)
        print("the same")  # noqa: T201 - what is compared
        count.append(1)
        print("run", len(count))  # noqa: T201 - what is compared
        await asyncio.sleep(1)

    with pytest.raises(simloop.NondeterminismError) as caught:
        simloop.check(main, seeds=[3], processes=False)
    text = str(caught.value)
    assert text.startswith("runs 1 and 2 of seed 3 differ; step 2 differs:\n  first run:  at 1.0 s")
    assert "writes to stdout: '2'" in text
    assert "line 2 of stdout differs:\n  first run:  run 1\n  second run:  run 2" in text
    assert capsys.readouterr() == ("the same\nrun 1\n", "")


def test_what_a_program_catches_itself_is_not_silenced(capsys):
    """The runs whose output is not shown still print into what the program put there."""

    async def main():
        caught = io.StringIO()
        with contextlib.redirect_stdout(caught):
            print("within")  # noqa: T201 - what is compared
        return caught.getvalue()

    simloop.check(main, seeds=[0], processes=False)
    assert simloop.simulate(main).value == "within\n"
    assert capsys.readouterr() == ("", "")


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


@pytest.mark.parametrize("kind", [Terminal, io.StringIO])
def test_progress_is_shown_on_a_terminal(kind, monkeypatch):
    """A check that takes a while says what it does, on a terminal only, and clears the line."""
    monkeypatch.setattr("simloop.world.checking._QUIET_S", -1)
    stream = kind()
    count = []

    async def main():
        count.append(1)
        return len(count) < 5

    with contextlib.redirect_stderr(stream), pytest.raises(simloop.NondeterminismError):
        simloop.check(main, seeds=[7], runs=6, processes=False)
    shown = stream.getvalue()
    if kind is Terminal:
        assert "simloop: check: seed 7, run 5 of 6\r" in shown
        assert "seed 7 differs; looks for the cause: a run in this process" in shown
        assert shown.endswith("\r\x1b[K")
    else:
        assert shown == ""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["fails", "fails_oddly"])
def test_an_error_elsewhere_is_raised(name):
    """A program that fails in fresh processes fails here, by its own error where that can come."""
    kind = LookupError if name == "fails" else RuntimeError
    with pytest.raises(kind) as caught:
        simloop.check(getattr(suspects, name), seeds=[4], processes=True)
    assert "fails with seed 4" in caught.value.__notes__[0]
    if kind is RuntimeError:
        assert "failed in a fresh process: Odd" in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["set_in_an_attribute", "set_that_is_weak", "set_of_tuples"])
def test_a_set_of_objects_is_named(name):
    """The set whose order follows addresses is named with what is in it and how it is reached."""
    text = told(name)
    assert "Likely cause: id() order (" in text
    assert re.search(r"  It iterates a \w+ of 12 (tuples that hold )?Peer objects \(.+\)", text)
    assert "which hash by address" in text
    assert re.search(r"^line \d+ of stdout differs:$", text, re.MULTILINE)  # By the addresses.
    assert re.search(r"Looked for in \d+ more runs, whose output is not shown", text)


@pytest.fixture
def own_folder(tmp_path, monkeypatch):
    """Let temporary files lie in a folder of the test's."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.mark.slow
def test_a_file_that_a_run_leaves_behind_is_told(own_folder):
    """Its temporary name is taken when the next run draws it; the cause is what was left."""
    text = told("leaves_a_file", runs=2)
    assert "Likely cause: state that the first run left behind (in fresh processes" in text
    assert "remove it at the end" in text
    assert "tempfile.mkstemp()" in text
    assert list(own_folder.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "cause", "line"),
    [
        ("strings_beside_a_file", "hash order", "set_of_strings"),
        ("addresses_beside_a_file", "id() order", "set_of_objects"),
    ],
)
@pytest.mark.usefixtures("own_folder")
def test_a_name_that_is_taken_hides_no_cause(name, cause, line):
    """Processes that look for the cause find no files of each other's, nor of the runs here."""
    text = told(name)
    assert f"Likely cause: {cause} (" in text
    assert f"It begins at {HERE}:{line_of(line)}, in {line}" in text


@pytest.mark.slow
def test_fresh_processes_do_not_stand_in_each_others_way(own_folder):
    """Names that are taken by files of another process are no difference between processes."""
    simloop.check(suspects.leaves_a_file, seeds=[5, 6], processes=True)
    assert list(own_folder.iterdir())

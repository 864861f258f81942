"""``simloop run``: the program's output, its status, the closing line, and the world's verdicts."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import simloop
from simloop.cli import ExitStatus
from simloop.trace import EventFile

CLOSING = re.compile(
    r"simloop: (?P<virtual>.+) virtual in \d+\.\d\d s real, (?P<steps>[\d,]+) steps,"
    r" seed (?P<seed>-?\d+), digest (?P<digest>[0-9a-f]{32})\n"
)

NAP = """
import asyncio

async def main():
    await asyncio.sleep(3600.5)
    print("slept")
"""


def closing(done):
    """The closing line, which is the last."""
    found = CLOSING.search(done.err)
    assert found, done.err
    assert done.err.endswith(found.group())
    return found


def test_a_program_runs_in_virtual_time(run):
    """An hour passes at once; the output is the program's, the closing line is on stderr."""
    done = run(NAP)
    assert (done.status, done.out) == (0, "slept\n")
    assert closing(done)["virtual"] == "1:00:00.5"
    assert closing(done)["seed"] == "0"
    assert CLOSING.sub("", done.err) == ""


def test_the_digest_is_the_runs(run):
    """The same program has the same digest again, and one that does more has another."""
    first, second, other = run(NAP), run(NAP), run(NAP.replace("3600.5", "3600"))
    assert closing(first)["digest"] == closing(second)["digest"] != closing(other)["digest"]


OWN_LOOP = """
import asyncio

class Own(asyncio.SelectorEventLoop):
    pass

async def main():
    try:
        assert isinstance(asyncio.get_running_loop(), Own)
        await asyncio.Event().wait()
    finally:
        print("cleaned up")

with asyncio.Runner(loop_factory=Own) as runner:
    runner.run(main())
"""


def test_a_loop_of_the_programs_own_class(run):
    """A deadlock on it ends as on any: with a clean-up, and the status that says so."""
    done = run(OWN_LOOP)
    assert (done.status, done.out) == (ExitStatus.DEADLOCK, "cleaned up\n"), done.err


STARTS_ANOTHER = """
import subprocess, sys

def main():
    print(subprocess.run([sys.executable, "-c", "print(2)"], capture_output=True).stdout)
"""


def test_what_is_allowed(run):
    """``--allow`` names what a program may reach of the real world, and all else is refused."""
    refused = run(STARTS_ANOTHER)
    assert refused.status == 1
    assert "EscapeError: subprocess.Popen" in refused.err
    for line in (("--allow", "subprocess"), ("--allow", "files,subprocess", "--check")):
        done = run(STARTS_ANOTHER, *line)
        assert (done.status, done.out) == (0, "b'2\\n'\n"), done.err


WHAT_IS_THERE = """
import asyncio
asyncio.run(asyncio.sleep(1))
print(sorted(f"{name}: {type(value).__name__}" for name, value in list(vars().items())))
"""


def test_a_script_finds_what_python_gives_it(run, tmp_path):
    """Names of ``__main__``, ``__builtins__`` among them, are of the same kinds as under Python."""
    script = tmp_path / "names.py"
    script.write_text(WHAT_IS_THERE)
    real = subprocess.run(
        [sys.executable, str(script)], check=True, capture_output=True, text=True
    ).stdout
    assert run(WHAT_IS_THERE).out == real


BY_OURSELVES = """
import asyncio, random, simloop

async def main():
    await asyncio.sleep(5)
    print(random.random())

if __name__ == "__main__":
    simloop.run(main()WITH)
    simloop.run(main(), debug=True)
"""


def test_runs_that_a_script_begins_itself_are_the_commands(run):
    """``simloop.run(main())`` in a script has the seed of the line, its digest and its trace."""
    # Anything else would be silence: a line with another seed, and the same output.
    first, again, other = (run(BY_OURSELVES.replace("WITH", ""), f"--seed={n}") for n in (1, 1, 2))
    assert first.out == again.out != other.out
    assert closing(first)["virtual"] == "0:00:10"
    assert closing(first)["digest"] == closing(again)["digest"] != closing(other)["digest"]
    plain = run(BY_OURSELVES.replace("WITH", "").replace("simloop.run", "asyncio.run"), "--seed=1")
    assert plain.out == first.out


def test_a_run_with_a_seed_of_its_own_keeps_it(run):
    """Who says which world a run is to have gets that, on whatever line."""
    done = [run(BY_OURSELVES.replace("WITH", ", seed=9"), f"--seed={n}").out for n in (1, 2)]
    assert done[0].splitlines()[0] == done[1].splitlines()[0]
    assert done[0] != done[1]


@pytest.mark.parametrize(
    ("with_", "status"), [("", ExitStatus.DEADLOCK), ("3600", ExitStatus.LIMIT)]
)
def test_the_verdict_on_such_a_run_is_the_commands(run, with_, status):
    """A deadlock in it is told as any other, and a limit."""
    done = run(f"""
import asyncio, simloop

async def main():
    await {"asyncio.Event().wait()" if not with_ else "asyncio.sleep(9)"}

if __name__ == "__main__":
    simloop.run(main(), max_time=5)
""")
    assert done.status == status
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    "start",
    [
        "asyncio.run(main())",
        "with asyncio.Runner() as runner:\n        runner.run(main())",
        "loop = asyncio.new_event_loop()\n    loop.run_until_complete(main())\n    loop.close()",
        """loop = asyncio.events.new_event_loop()
    loop.run_until_complete(main())
    loop.close()""",
        """asyncio.set_event_loop(asyncio.new_event_loop())
    loop = asyncio.get_event_loop()
    loop.run_until_complete(main())
    loop.close()
    asyncio.set_event_loop(None)""",
    ],
)
def test_a_script_that_makes_its_loop_gets_ours(run, start):
    """However a script asks asyncio for a loop, it is one of the world's."""
    done = run(NAP + f"\nif __name__ == '__main__':\n    {start}\n")
    assert (done.status, done.out) == (0, "slept\n")
    assert closing(done)["virtual"] == "1:00:00.5"


@pytest.mark.parametrize(
    "use",
    [
        """thread = threading.Thread(target=asyncio.run, args=[main()])
thread.start()
thread.join()""",
        """async def first():
    await asyncio.to_thread(asyncio.run, main())
asyncio.run(first())""",
        """loop = asyncio.new_event_loop()
threading.Thread(target=loop.run_forever, daemon=True).start()
asyncio.run_coroutine_threadsafe(main(), loop).result()""",
        """with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
    runner.run(main())""",
    ],
)
def test_threads_of_a_script_run_loops(run, use):
    """A loop that a thread runs, and one of asyncio's own class, is of the script's world."""
    before = threading.active_count()
    done = run(f"import threading\n{NAP}\n{use}\n")
    assert threading.active_count() == before
    assert (done.status, done.out) == (0, "slept\n")
    assert closing(done)["virtual"] == "1:00:00.5"


def test_loops_of_one_script_share_a_world(run):
    """A script's second loop begins at the time at which its first one ended."""
    done = run(NAP + "\nasyncio.run(main())\nasyncio.run(main())\n")
    assert done.out == "slept\nslept\n"
    assert closing(done)["virtual"] == "2:00:01"


def test_asyncio_is_itself_again(run):
    """After a run asyncio makes real loops, whatever became of the program."""
    before = asyncio.new_event_loop, asyncio.events.new_event_loop
    run("1 / 0")
    assert (asyncio.new_event_loop, asyncio.events.new_event_loop) == before
    loop = asyncio.new_event_loop()
    assert type(loop).__module__.startswith("asyncio.")
    loop.close()


def test_arguments_reach_the_program(run):
    """What follows ``--`` is the program's argv."""
    done = run("import sys\ndef main(): print(sys.argv)\n", "--", "--check", "a b")
    assert done.out == "['app.py', '--check', 'a b']\n"


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ("return None", 0, ""),
        ("return 0", 0, ""),
        ("return 7", 7, ""),
        ("return True", 0, ""),
        ("return {'a': 1}", 0, ""),
        ("raise SystemExit", 0, ""),
        ("raise SystemExit(5)", 5, ""),
        ("raise SystemExit('no luck')", 1, "no luck\n"),
        ("raise KeyboardInterrupt", 130, None),
    ],
)
@pytest.mark.parametrize("kind", ["", "async "])
def test_the_status_is_the_programs(run, kind, body, status, said):
    """A program ends the command as it would end Python; an int returned by main is a status."""
    done = run(f"{kind}def main():\n    {body}\n")
    assert done.status == status
    assert said is None or CLOSING.sub("", done.err) == said


def test_any_awaitable_is_awaited(run):
    """A main that gives another awaitable than a coroutine is awaited as well."""
    done = run(
        "import asyncio\n\nclass Later:\n    def __await__(self):\n"
        "        yield from asyncio.sleep(1).__await__()\n        return 4\n\nmain = Later\n"
    )
    assert done.status == 4
    assert closing(done)["virtual"] == "0:00:01"


def test_a_traceback_begins_in_the_program(run, tmp_path):
    """An error is shown as Python shows it, without the frames that led into the program."""
    done = run("async def main():\n    await deeper()\n\nasync def deeper():\n    1 / 0\n")
    assert done.status == ExitStatus.FAILED
    lines = done.err.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[1] == f'  File "{tmp_path / "app.py"}", line 2, in main'
    assert "ZeroDivisionError: division by zero" in lines
    assert not [line for line in lines if "asyncio" in line or "simloop/" in line]
    closing(done)


@pytest.mark.parametrize(
    "program",
    [
        "import time; time.sleep(-1)",
        "import socket; socket.create_connection(('127.0.0.1', 9))",
        "import queue; queue.SimpleQueue().get(timeout=1)",
        """
import threading, time
threading.excepthook = threading.__excepthook__
threading.Thread(target=time.sleep, args=(-1,)).start()
""",
    ],
)
def test_a_traceback_shows_no_frame_of_the_engine(run, program):
    """Not in its middle either: where a call of the program is answered is not the program's."""
    done = run(program)
    assert "Traceback" in done.err
    assert str(Path(simloop.__file__).parent) not in done.err


def test_a_property_is_told_by_what_it_says(run):
    """No line raised it: it says where it was stated, and none of our own frames is shown."""
    done = run(
        "import asyncio, simloop\n"
        "async def main():\n"
        "    simloop.eventually(lambda: False, 'it happens', within=3)\n"
        "    await asyncio.sleep(10)\n"
    )
    assert done.status == ExitStatus.FAILED
    assert "PropertyError: eventually 'it happens'" in done.err
    assert "app.py:3 in main" in done.err
    assert "Traceback" not in done.err
    closing(done)


def test_a_syntax_error_is_shown(run):
    """A file that is no Python is the program's error, with its line."""
    done = run("def main(:\n")
    assert done.status == ExitStatus.FAILED
    assert "app.py" in done.err
    assert "SyntaxError" in done.err


def test_a_deadlock_is_told(run):
    """A program in which nothing can run again ends with its own status and says who waits."""
    done = run("import asyncio\nasync def main():\n    await asyncio.Event().wait()\n")
    assert done.status == ExitStatus.DEADLOCK
    assert "simloop: DeadlockError: " in done.err
    assert "app.py" in done.err
    assert "Traceback" not in done.err
    closing(done)


def test_a_limit_of_time_is_told(run):
    """``--max-time`` ends a run before the clock passes it, and the tasks get to clean up."""
    done = run(
        "import asyncio\nasync def main():\n    try:\n        await asyncio.sleep(100)\n"
        "    finally:\n        print('tidy')\n",
        "--max-time",
        "99",
    )
    assert done.status == ExitStatus.LIMIT
    assert "simloop: LimitError: " in done.err
    assert done.out == "tidy\n"
    assert closing(done)["virtual"] == "0:00:00"


def test_a_limit_of_steps_is_told(run):
    """``--max-steps`` ends a run that goes on and on, and its tasks still clean up."""
    done = run(
        "import asyncio\nasync def main():\n    try:\n        while True:\n"
        "            await asyncio.sleep(1)\n    finally:\n        print('tidy')\n",
        "--max-steps",
        "50",
    )
    assert done.status == ExitStatus.LIMIT
    assert "50 steps" in done.err
    assert done.out == "tidy\n"


def test_the_first_verdict_is_told(run):
    """When the clean-up after a deadlock gets stuck too, the deadlock itself is told."""
    done = run(
        "import asyncio\nasync def main():\n    try:\n        await asyncio.Event().wait()\n"
        "    finally:\n        await asyncio.Future()\n"
    )
    assert done.status == ExitStatus.DEADLOCK
    assert "Event" in done.err.partition("Traceback")[0]


def test_the_trace_has_each_step(run, tmp_path):
    """``--trace`` writes Chrome trace events: each step with its virtual time and its place."""
    done = run(NAP, "--trace", "run.json")
    content = json.loads((tmp_path / "run.json").read_text())
    steps = [event for event in content["traceEvents"] if event.get("cat") == "step"]
    assert len(steps) == int(closing(done)["steps"]) == content["otherData"]["steps"]
    times = [step["ts"] for step in steps]
    assert times == sorted(times)
    assert times[-1] == 3_600_500_000
    places = [step["args"]["where"] for step in steps]
    assert f"{tmp_path / 'app.py'}:5 in main" in places
    about = content["otherData"]
    assert (about["program"], about["status"], about["error"]) == ("app.py", 0, None)
    assert about["digest"] == closing(done)["digest"]


def test_a_trace_says_how_the_run_ended(run, tmp_path):
    """The file of a run that failed is whole, and says by what it failed."""
    done = run("async def main():\n    raise LookupError('gone')\n", "--trace", "run.json")
    about = json.loads((tmp_path / "run.json").read_text())["otherData"]
    assert (done.status, about["status"], about["error"]) == (1, 1, "LookupError: gone")


def test_a_trace_changes_nothing(run):
    """The digest is the same with a trace and without."""
    assert (
        closing(run(NAP, "--trace", "run.json"))["digest"]
        == closing(run(NAP))["digest"]
        == closing(run(NAP, "--trace", "/dev/null"))["digest"]
    )


def test_a_trace_that_breaks_off_is_told(run, monkeypatch):
    """When the disk is full in the middle of a run, the run goes on, and the status says so."""
    real = EventFile._put

    def put(self, data):
        if self._end:
            raise OSError(28, "No space left on device")
        real(self, data)

    monkeypatch.setattr(EventFile, "_put", put)
    done = run(NAP, "--trace", "run.json")
    assert (done.status, done.out) == (ExitStatus.FAILED, "slept\n")
    assert "simloop: error: the trace in 'run.json' is not whole: [Errno 28]" in done.err


def test_the_start_date_is_the_programs_today(run):
    """``--start-date`` is what the wall clock shows at first; by default everybody has the same."""
    source = (
        "import datetime\nprint(datetime.datetime.now(datetime.UTC).isoformat())\ndef main(): 0"
    )
    done = run(source, "--start-date", "2030-01-31T06:00:00+01:00")
    assert done.out == "2030-01-31T05:00:00+00:00\n"
    assert run(source).out == "2024-01-01T00:00:00+00:00\n"


def test_the_whole_program_is_inside_the_world(run):
    """What a script does before it starts a loop is virtual too: time, sleep, randomness."""
    source = (
        "import random, time, uuid\nbegan = time.time()\ntime.sleep(3600)\n"
        "print(time.time() - began, random.random(), uuid.uuid4())\ndef main(): 0\n"
    )
    first, second, other = run(source), run(source), run(source, "--seed", "1")
    assert first.out.startswith("3600.0 ")
    assert first.out == second.out != other.out
    assert closing(first)["virtual"] == "1:00:00"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (["none.py"], "simloop: error: the file 'none.py' does not exist"),
        (["app.py:go"], "simloop: error: app.py has no function 'go'"),
        (["app.py", "--trace", "no/folder"], "the trace can't be written to 'no/folder'"),
    ],
)
def test_a_wrong_call_is_told(run, line, words):
    """A program or file that isn't there is told in one line, with no traceback and status 2."""
    done = run("def main(): print('ran')\n", *line[1:], target=line[0])
    assert done.status == ExitStatus.USAGE
    assert words in done.err
    assert done.err.count("\n") == 1
    assert done.out == ""


@pytest.mark.slow
def test_the_command_fixes_the_hash_seed(command, tmp_path):
    """Without a hash seed the command starts over with one, so hashes are the same each time."""
    (tmp_path / "app.py").write_text(
        "import os\ndef main():\n    print(os.environ['PYTHONHASHSEED'], hash('simloop'))\n"
    )
    first, second = command("run", "app.py"), command("run", "app.py")
    assert first.stdout == second.stdout
    assert first.stdout.startswith("0 ")
    assert command("run", "app.py", hash_seed=5).stdout.startswith("5 ")


@pytest.mark.slow
def test_a_suite_that_takes_warnings_for_errors_runs(command, tmp_path, monkeypatch):
    """Pytest in a run warns of nothing, where simloop is among the plugins that it loads."""
    (tmp_path / "test_sleep.py").write_text(
        "import asyncio\ndef test_sleep():\n    asyncio.run(asyncio.sleep(3600))\n"
    )
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    ended = command("run", "pytest", "--", "-W", "error", "-p", "simloop", "test_sleep.py")
    assert "1 passed" in ended.stdout, ended.stdout + ended.stderr


@pytest.mark.slow
def test_a_suite_shows_where_the_engine_raised(command, tmp_path):
    """Pytest in a run tells of a test that fails by an error that a call of ours raised."""
    (tmp_path / "test_refused.py").write_text(
        "import asyncio\ndef test_refused():\n"
        "    asyncio.run(asyncio.open_connection('127.0.0.1', 7))\n"
        "def test_after():\n    pass\n"
    )
    for style in ("short", "long", "native"):
        ended = command("run", "pytest", "--", f"--tb={style}", "test_refused.py")
        assert "1 failed, 1 passed" in ended.stdout, ended.stdout + ended.stderr
        assert "ConnectionRefusedError" in ended.stdout


@pytest.mark.slow
def test_the_status_leaves_the_process(command, tmp_path):
    """The command's status is the program's, and output keeps its order when it is piped."""
    (tmp_path / "app.py").write_text("async def main():\n    print('out')\n    return 9\n")
    done = command("run", "app.py")
    assert (done.returncode, done.stdout) == (9, "out\n")
    closing(SimpleDone(done.stderr))


class SimpleDone:
    def __init__(self, err):
        self.err = err


@pytest.mark.slow
def test_the_version_is_told(command):
    """``--version`` says the name, the version, and whether the engine is accelerated."""
    done = command("--version")
    assert done.returncode == 0
    assert re.fullmatch(r"simloop \d+\.\d+\.\d+\S* \((accelerated|pure Python)\)\n", done.stdout)


def test_statuses_differ():
    """Each status has one meaning."""
    assert len(ExitStatus) == len(dict.fromkeys(int(status) for status in ExitStatus))
    assert sys.modules["simloop.cli"].ExitStatus is ExitStatus

"""``simloop show``: what is read from a trace, what is refused, and what the page holds."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import subprocess
import sys

import pytest

import simloop
from simloop.cli import ExitStatus
from simloop.cli import main as command
from simloop.show import TraceError, page, read


async def tick(bell):
    await asyncio.sleep(1)
    bell.set()


async def answer(sock):
    loop = asyncio.get_running_loop()
    await loop.sock_recv(sock, 100)
    await loop.sock_sendall(sock, b"!")


async def program():
    bell = asyncio.Event()
    ticking = asyncio.create_task(tick(bell), name="clock </script><b>&")
    await bell.wait()
    await asyncio.sleep(3600)
    await ticking
    left, right = socket.socketpair()
    right.setblocking(False)
    answering = asyncio.create_task(answer(right))
    reader, writer = await asyncio.open_connection(sock=left)
    writer.write(b"</script>")
    assert await reader.read(1) == b"!"
    await answering
    writer.close()
    right.close()


@pytest.fixture(scope="module")
def picture(traced):
    return read(traced(program))


def test_a_picture_has_what_happened(picture):
    """Tasks, steps, waits and messages are there, with their times in microseconds."""
    tasks = {track.name: track for track in picture.tracks if track.coroutine}
    assert "clock </script><b>&" in tasks
    clock = picture.tracks.index(tasks["clock </script><b>&"])
    assert picture.tracks[clock].outcome == "returned"
    (nap,) = [wait for wait in picture.waits if wait.track == clock]
    assert (nap.reason, nap.begin_us, nap.end_us) == ("a sleep", 0, 1_000_000)
    assert picture.steps[nap.after].track == picture.steps[nap.before].track == clock
    first, second = picture.messages
    assert picture.tracks[picture.steps[first.sender].track].coroutine == "program"
    assert picture.tracks[picture.steps[second.taker].track].coroutine == "program"
    assert picture.end_us == 3_601_000_000
    assert picture.about["seed"] == 7


def test_a_page_is_one_file(picture):
    """The page loads nothing, and no text of the run can break out of its place."""
    text = page(picture)
    assert not re.search(
        r"(?:src|href)=(?!\"data:,\")|@import|url\(|https?://|fetch\(|import\(", text
    )
    assert text.count("<script") == text.count("</script>") == 2
    assert "{{" not in text
    assert "<b>&" not in text
    data = json.loads(text.partition('type="application/json">')[2].partition("</script>")[0])
    assert "clock </script><b>&" in [track[1] for track in data["tracks"]]
    assert data["sources"][f"{__file__}:{tick.__code__.co_firstlineno + 1} in tick"] == (
        "await asyncio.sleep(1)"
    )


def test_a_page_needs_no_source(picture, tmp_path):
    """Places whose files are gone have no line of source, and nothing fails."""
    gone = str(tmp_path / "gone.py")
    for step in picture.steps:
        step.where = step.where.replace(__file__, gone)
    text = page(picture)
    assert gone in text
    for step in picture.steps:
        step.where = step.where.replace(gone, __file__)


def test_a_trace_that_was_broken_off_is_drawn(traced, tmp_path):
    """Spans without an end, as a killed run leaves them, end with the trace."""
    content = json.loads(traced(program, "whole").read_text())
    del content["traceEvents"][len(content["traceEvents"]) // 2 :]
    path = tmp_path / "half.json"
    path.write_text(json.dumps(content))
    picture = read(path)
    assert picture.steps
    assert all(wait.end_us >= wait.begin_us for wait in picture.waits)
    assert page(picture)


def test_a_bare_list_is_a_trace(traced, tmp_path):
    """The format's other form, the list of events alone, is read too."""
    content = json.loads(traced(program, "bare").read_text())
    path = tmp_path / "list.json"
    path.write_text(json.dumps(content["traceEvents"]))
    assert len(read(path).steps) == content["otherData"]["steps"]


STEP = {"ph": "B", "ts": 0, "pid": 1, "tid": 1, "cat": "step", "name": "n"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is not JSON"),
        ("{", "is not JSON"),
        ("\x00", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("{}", "has no list of trace events"),
        ('"text"', "has no list of trace events"),
        ('{"traceEvents": 7}', "has no list of trace events"),
        ('{"time_ns": 0, "label": "x"}', "has no list of trace events"),
        ("[]", "has no step of a run"),
        ('[{"ph": "C", "ts": 0, "pid": 1, "tid": 1}]', "has no step of a run"),
        ("[7]", "event 0 is not as simloop writes it"),
        ("[{}]", "event 0 is not as simloop writes it (KeyError: 'ph')"),
        (json.dumps([STEP]), "event 0 is not as simloop writes it (KeyError: 'args')"),
        ('[{"ph": "E", "ts": 0, "pid": 1, "tid": 1}]', "event 0 is not"),
        ('[{"ph": "B", "ts": "soon", "pid": 1, "tid": 1}]', "could not convert"),
        ('[{"ph": "f", "ts": 0, "pid": 1, "tid": 1, "id": 5}]', "event 0 is not"),
    ],
)
def test_what_is_no_trace_is_refused(content, words, tmp_path, capsys):
    """Another file is told in one line that says what is wrong and how to make a trace."""
    path = tmp_path / "run.json"
    path.write_text(content)
    with pytest.raises(TraceError, match=re.escape(words)):
        read(path)
    assert command(["show", str(path)]) == ExitStatus.USAGE
    said = capsys.readouterr()
    assert words in said.err
    assert "simloop run PROGRAM --trace FILE" in said.err
    assert said.err.count("\n") == 1
    assert not path.with_suffix(".html").exists()


def test_files_that_are_not_there_are_told(traced, tmp_path, capsys):
    """A missing trace and a page that can't be written are told with their names."""
    assert command(["show", str(tmp_path / "no.json")]) == ExitStatus.USAGE
    assert (
        f"simloop: error: the trace '{tmp_path}/no.json' can't be read: " in capsys.readouterr().err
    )
    path = traced(program, "fine")
    line = ["show", str(path), "-o", str(tmp_path / "no" / "page.html")]
    assert command(line) == ExitStatus.USAGE
    assert f"the page can't be written to '{tmp_path}/no/page.html': " in capsys.readouterr().err


def test_a_page_is_announced(traced, tmp_path, capsys):
    """The command says what it wrote, and how much is in it."""
    path = traced(program, "told")
    assert command(["show", str(path), "-o", str(tmp_path / "page.html")]) == 0
    said = capsys.readouterr().err
    assert re.fullmatch(
        r"simloop: \S+page\.html: \d+ tracks, \d+ steps, 2 messages; open it in a browser\n", said
    )
    assert (tmp_path / "page.html").read_text().startswith("<!DOCTYPE html>")


@pytest.mark.slow
def test_showing_loads_no_engine(traced, tmp_path):
    """A page is drawn by a process that never imports loops, kernels or networks."""
    source = (
        "import sys\nfrom simloop.cli import main\nstatus = main(['show', sys.argv[1]])\n"
        "assert not [name for name in sys.modules if name.startswith(('simloop._loop',"
        " 'simloop._kernel', 'simloop.net', 'simloop.world'))]\nsys.exit(status)\n"
    )
    line = [sys.executable, "-c", source, str(traced(program, "light"))]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_power_cut_is_in_the_picture(traced, tmp_path):
    """What befell a machine is told with its time, as one of the moments of the world."""

    async def main():
        (tmp_path / "log").write_text("x")
        await asyncio.sleep(1)
        simloop.current_world().disk.crash()

    picture = read(traced(main, "cut", disk=True))
    (cut,) = picture.moments
    assert cut.text.startswith("power cut, lost: ")
    assert cut.at_us == 1_000_000

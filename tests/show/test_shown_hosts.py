"""Hosts in pictures: what is read of their lanes, the failing moment, pairs, and traces cut off."""

from __future__ import annotations

import asyncio
import json
from xml.etree import ElementTree as ET

import pytest

import simloop
from simloop.cli import ExitStatus
from simloop.cli import main as command
from simloop.show import TraceError, is_editor_address, page, pair_page, read, sequence_diagram
from simloop.world.tracing.trace_file import writing_trace


async def serve():
    async def answer(reader, writer):
        writer.write(await reader.readline())
        writer.close()

    server = await asyncio.start_server(answer, port=7)
    await server.serve_forever()


async def ask():
    reader, writer = await asyncio.open_connection("db", 7)
    writer.write(b"hello; <b>\n")
    await reader.readline()
    writer.close()


async def hosts():
    world = simloop.current_world()
    db = world.add_host("db", serve)
    await asyncio.sleep(1)
    await ask()
    await asyncio.sleep(1)
    world.network.partition("driver", "db")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(ask(), 2)
    world.network.heal()
    db.crash()


@pytest.fixture(scope="module")
def trace(traced):
    return traced(hosts, "hosts")


@pytest.fixture(scope="module")
def picture(trace):
    return read(trace)


def test_packets_are_read(picture):
    """A packet leads from host to host and from step to step, with its times."""
    first = picture.packets[0]
    assert (first.kind, first.source, first.destination) == ("syn", 0, 1)
    assert (first.begin_us, first.end_us, first.why) == (1_000_000, 1_001_000, "")
    assert 0 <= first.sender < first.taker < len(picture.steps)
    lost = [each for each in picture.packets if each.why]
    assert {each.why for each in lost} == {"the way is cut"}
    assert {each.ended_at for each in lost} == {0}
    assert [track.name for track in picture.tracks if track.name in ("packets", "power")] == []


def test_what_is_the_matter_is_read(picture):
    """Spells have their host, state and times; what has no end ends with the run."""
    told = [(picture.processes[each.process], each.state) for each in picture.spells]
    assert told == [("localhost", "cut off from db"), ("db", "cut off from driver"), ("db", "off")]
    assert [(each.begin_us / 1e6, each.end_us / 1e6) for each in picture.spells][:2] == [
        (pytest.approx(2.004, abs=0.01), pytest.approx(4.004, abs=0.01))
    ] * 2
    assert [each.text for each in picture.moments if each.kind == "host"] == [
        "db is added: 10.0.0.1",
        "db crashes",
    ]


def changed(trace, tmp_path, change):
    content = json.loads(trace.read_text())
    change(content)
    path = tmp_path / "changed.json"
    path.write_text(json.dumps(content))
    return read(path)


def test_what_a_later_trace_has_more_is_left_out(trace, tmp_path):
    """Spans and flows of an unknown category are no steps; moments of one are moments."""
    steps = len(read(trace).steps)

    def add(content):
        at = {"pid": 1, "tid": 999, "ts": 1}
        content["traceEvents"] += [
            {**at, "ph": "B", "cat": "disk", "name": "torn", "args": {}},
            {**at, "ph": "s", "cat": "disk", "name": "torn", "id": 1, "args": {}},
            {**at, "ph": "E"},
            {**at, "ph": "i", "s": "p", "cat": "disk", "name": "db loses 3 writes"},
        ]

    picture = changed(trace, tmp_path, add)
    assert len(picture.steps) == steps
    assert picture.moments[-1].text == "db loses 3 writes"


async def fails():
    async def child():
        await asyncio.sleep(1)
        raise ValueError("boom")

    task = asyncio.create_task(child())
    await asyncio.sleep(2)
    await task


@pytest.mark.parametrize(
    ("error", "which"),
    [("ValueError: boom", "child"), ("DeadlockError: nothing is ready", None)],
)
def test_the_failing_moment_is_found(traced, tmp_path, error, which):
    """It is the step in which the run's error was raised first; else the last of all."""
    path = tmp_path / "fails.json"
    world = simloop.World()
    with writing_trace(world, str(path), "fails") as file, pytest.raises(ValueError, match="boom"):
        simloop.run(fails(), world=world)
    picture = changed(path, tmp_path, lambda content: content["otherData"].update(error=error))
    assert file.error is None
    if which is None:
        assert picture.failing_step == len(picture.steps) - 1
    else:
        step = picture.steps[picture.failing_step]
        assert picture.tracks[step.track].coroutine.endswith(which)
        assert step.begin_us == 1_000_000
    assert changed(path, tmp_path, lambda _: None).failing_step == -1


def test_a_trace_that_was_cut_off_is_drawn(trace, tmp_path, capsys):
    """A file that ends in the middle of an event shows all before it, and the command says so."""
    data = trace.read_bytes()
    path = tmp_path / "cut.json"
    path.write_bytes(data[: len(data) * 2 // 3])
    picture = read(path)
    assert 0 < len(picture.steps) < len(read(trace).steps)
    assert picture.about["cut"]
    assert command(["show", str(path)]) == ExitStatus.OK
    said = capsys.readouterr().err
    assert "cut.json was cut off; what is whole of it is drawn" in said
    path.write_bytes(data[:20])
    with pytest.raises(TraceError, match="is not JSON"):
        read(path)


@pytest.mark.parametrize("end", range(60, 700, 40))
def test_a_trace_may_be_cut_anywhere(trace, tmp_path, end):
    """Wherever a file ends it is drawn, or refused in words."""
    path = tmp_path / "cut.json"
    path.write_bytes(trace.read_bytes()[:end])
    told = None
    try:
        assert page(read(path))
    except TraceError as error:
        told = str(error)
    assert told is None or "make a trace with" in told


def test_a_page_has_the_lanes(picture):
    """The columns of the page hold each packet, spell and moment, and the editor's address."""
    text = page(picture, editor="emacs://{path}?{line}")
    data = json.loads(text.partition('type="application/json">')[2].partition("</script>")[0])
    assert len(data["packets"]["kind"]) == len(picture.packets)
    assert len(data["spells"]) == 3
    assert len(data["happenings"]) == len(picture.moments)
    assert data["editor"] == "emacs://{path}?{line}"


def test_two_runs_part_where_they_differ(traced, tmp_path, capsys):
    """Both pictures begin at the first step that is not the same, and the page says where it is."""

    async def program(pause):
        await asyncio.sleep(1)
        if pause:
            await asyncio.sleep(1)
        await asyncio.sleep(3)

    one = traced(lambda: program(0), "one")
    other = traced(lambda: program(1), "other")
    pictures = read(one), read(other)
    text = pair_page(*pictures, ("one.json", "<b>"))
    parted = pictures[0].about["focus"]
    assert pictures[1].about["focus"] == parted
    assert [each.steps[parted].begin_us for each in pictures] == [1e6, 1e6] or parted > 0
    assert f"They part at step {parted + 1:,}: in one.json, Task-1 ran " in text
    assert "<b>" not in text
    assert text.count("srcdoc=") == 2
    assert command(["show", str(one), str(other), "-o", str(tmp_path / "pair.html")]) == 0
    assert "pair.html: 2 tracks" in capsys.readouterr().err.replace("3 tracks", "2 tracks")
    same = pair_page(read(one), read(one), ("a", "b"))
    assert "Both runs took the same steps at the same times." in same


def test_a_diagram_of_hosts_has_the_last_packets(picture):
    """Hosts are the participants; what was lost has a cross, and no text breaks a line."""
    text = sequence_diagram(picture, last=8)
    head, *lines = text.splitlines()
    assert head == "sequenceDiagram"
    assert lines[:3] == [
        "    participant p0 as localhost",
        "    participant p1 as db",
        f"    Note over p0,p1: {_entries(picture) - 8} before these",
    ]
    assert "    p0-xp1: 2.004 s syn, lost: the way is cut" in lines
    assert lines[-1].endswith("1001 on db ends: -9")
    whole = sequence_diagram(picture, last=1000)
    assert "data 'hello#59; #lt;b#gt;\\n'" in whole
    assert "before these" not in whole
    assert not any(" ack" in line for line in whole.splitlines())


def _entries(picture):
    """How many arrows and notes there are in all."""
    lines = sequence_diagram(picture, last=1000).splitlines()
    return len([line for line in lines if "Note over" in line or "->>" in line or "-x" in line])


def test_a_diagram_of_tasks_ends_with_the_failure(traced, tmp_path):
    """Without packets the tasks are the participants; nothing comes after the failing moment."""

    async def program():
        lock = asyncio.Lock()
        await lock.acquire()
        waiting = asyncio.create_task(lock.acquire(), name="waiter")
        await asyncio.sleep(1)
        waiting.cancel()
        raise ValueError("boom; <i>\nmore")

    path = tmp_path / "run.json"
    world = simloop.World()
    with writing_trace(world, str(path), "p") as file, pytest.raises(ValueError, match="boom"):
        simloop.run(program(), world=world)
    picture = changed(
        path,
        tmp_path,
        lambda content: content["otherData"].update(error="ValueError: boom; <i>\nx"),
    )
    assert file.error is None
    lines = sequence_diagram(picture).splitlines()
    assert lines == [
        "sequenceDiagram",
        "    participant p0 as Task-1 (program)",
        "    participant p1 as waiter (Lock.acquire)",
        "    Note over p0: 0 s waits for a sleep",
        "    Note over p1: 0 s waits for the lock",
        "    Note over p0: 1 s fails: ValueError: boom#59; #lt;i#gt;",
    ]


def test_a_diagram_is_an_image(picture):
    """The other form is SVG: whole, with every participant, and nothing of the run as markup."""
    text = sequence_diagram(picture, form="svg", last=1000)
    root = ET.fromstring(text)  # noqa: S314 - our own
    names = ["".join(each.itertext()) for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"localhost", "db"} < set(names)
    assert any("hello; <b>" in name for name in names)
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")


@pytest.mark.parametrize(("options", "words"), [({"form": "png"}, "png"), ({"last": 0}, "last=0")])
def test_what_means_nothing_to_a_diagram_is_refused(picture, options, words):
    """A form that is none, and no entries, are told."""
    with pytest.raises(simloop.UsageError, match=words):
        sequence_diagram(picture, **options)


def test_the_command_prints_a_diagram(trace, tmp_path, capsys):
    """Without a file it goes to standard output, for an issue; with one the file is named."""
    assert command(["show", str(trace), "--sequence", "mermaid", "--last", "5"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("sequenceDiagram\n")
    assert said.err == ""
    path = tmp_path / "last.svg"
    assert command(["show", str(trace), "--sequence", "svg", "-o", str(path)]) == 0
    assert "last.svg: a sequence diagram" in capsys.readouterr().err
    assert path.read_text().startswith("<svg")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (["--editor", "javascript:{path}"], "no address of an editor"),
        (["--editor", "vscode://file"], "no address of an editor"),
        (["--sequence", "png"], "invalid choice: 'png'"),
        (["--last", "0", "--sequence", "svg"], "no whole number above 0"),
        (["other.json", "--sequence", "svg"], "--sequence draws one trace"),
        (["-o", "run.json"], "over the trace"),
        (["other.json", "-o", "other.json"], "over the trace"),
    ],
)
@pytest.mark.parametrize("columns", ["40", "100"])
def test_what_can_not_be_shown_is_told(line, words, columns, capsys, monkeypatch):
    """Wrong options end with status 2 and a readable line, also on a narrow terminal."""
    monkeypatch.setenv("COLUMNS", columns)
    with pytest.raises(SystemExit) as ended:
        command(["show", "run.json", *line])
    assert ended.value.code == ExitStatus.USAGE
    assert words in capsys.readouterr().err


def test_an_editor_may_come_from_the_environment(trace, tmp_path, capsys, monkeypatch):
    """``SIMLOOP_EDITOR`` names it; what is no editor is told with the variable's name."""
    monkeypatch.setenv("SIMLOOP_EDITOR", "pycharm")
    path = tmp_path / "page.html"
    assert command(["show", str(trace), "-o", str(path)]) == 0
    assert "pycharm://open?file={path}\\u0026line={line}" in path.read_text()
    monkeypatch.setenv("SIMLOOP_EDITOR", "data:{path}")
    with pytest.raises(SystemExit):
        command(["show", str(trace)])
    assert "$SIMLOOP_EDITOR: 'data:{path}' is none of" in capsys.readouterr().err


@pytest.mark.parametrize(
    "address", ["javascript:{path}", "JavaScript:{path}", "{path}", "data:{path}", "x:/", ""]
)
def test_an_address_that_runs_code_is_none(address):
    """Only the address of a program that opens files is taken."""
    assert not is_editor_address(address)

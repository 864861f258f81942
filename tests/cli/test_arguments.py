"""The command line: what it takes, and what it says to a wrong one."""

from __future__ import annotations

import io
import shlex
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone

import pytest

from simloop.cli._arguments import RunArguments, ShowArguments, parse
from simloop.cli._format import say, wants_color


def test_the_defaults_are_a_plain_run():
    """A program's name alone is a run from seed 0 without limits."""
    assert parse(["run", "app.py"]) == RunArguments("app.py", ())


def test_all_options_are_read():
    """Each option reaches the record in its own unit."""
    line = (
        "run app.py --seed 7 --check --trace out.json --max-time 1.5 --max-steps 1e6"
        " --start-date 2030-01-31T06:00:00+01:00"
    )
    assert parse(line.split()) == RunArguments(
        "app.py",
        (),
        seed=7,
        check=True,
        trace="out.json",
        max_time=1.5,
        max_steps=1_000_000,
        start_date=datetime(2030, 1, 31, 6, tzinfo=timezone(timedelta(hours=1))),
    )


@pytest.mark.parametrize(
    ("line", "output"),
    [
        ("show run.json", "run.html"),
        ("show there/run.json", "there/run.html"),
        ("show run", "run.html"),
        ("show run.json -o page", "page"),
        ("show run.json --output page.htm", "page.htm"),
    ],
)
def test_a_page_lies_beside_its_trace(line, output):
    """The page is named as the trace is, unless told otherwise."""
    assert parse(line.split()) == ShowArguments(line.split()[1], output)


def test_what_follows_two_dashes_is_the_programs():
    """Arguments after the first ``--`` are kept as they are, a second ``--`` included."""
    parsed = parse(["run", "app.py", "--seed", "1", "--", "--seed", "2", "--", "x"])
    assert parsed.seed == 1
    assert parsed.program_args == ("--seed", "2", "--", "x")


@pytest.mark.parametrize(("text", "seconds"), [("1", 1.0), ("0.25", 0.25), ("1e9", 1e9)])
def test_times_are_seconds(text, seconds):
    """A time is any positive number of seconds."""
    assert parse(["run", "app.py", "--max-time", text]).max_time == seconds


@pytest.mark.parametrize(("text", "count"), [("1", 1), ("1_000", 1000), ("2.5e3", 2500)])
def test_counts_are_whole(text, count):
    """A count may have underscores or an exponent."""
    assert parse(["run", "app.py", "--max-steps", text]).max_steps == count


def test_dates_are_utc_by_default():
    """A date alone is midnight, and without a zone it is UTC."""
    parsed = parse(["run", "app.py", "--start-date", "2030-01-31"])
    assert parsed.start_date == datetime(2030, 1, 31, tzinfo=UTC)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("run", "required: FILE.py|MODULE[:FUNCTION]"),
        ("walk app.py", "'walk'"),
        ("run app.py extra", "unrecognized arguments: extra"),
        ("run app.py --seed x", "argument --seed: invalid int value: 'x'"),
        ("run app.py --max-time 0", "'0' is no number of seconds above 0"),
        ("run app.py --max-time nan", "'nan' is no number of seconds above 0"),
        ("run app.py --max-time soon", "'soon' is no number of seconds above 0"),
        ("run app.py --max-steps 0", "'0' is no whole number above 0"),
        ("run app.py --max-steps 1.5", "'1.5' is no whole number above 0"),
        ("run app.py --max-steps 15e-1", "'15e-1' is no whole number above 0"),
        ("run app.py --max-steps 1.2.3e4", "'1.2.3e4' is no whole number above 0"),
        ("run app.py --start-date monday", "'monday' is no ISO date"),
        ("run app.py --tz Mars/Base", "tz='Mars/Base'; it takes the name of a time zone"),
        ("run app.py --allow all", "nothing of the real world is called 'all'; allow any of"),
        ("show", "required: TRACE"),
        ("show run.html", "the page would be written over the trace 'run.html'"),
        ("show run.json -o ./run.json", "would be written over the trace"),
        ("show run.json -- x", "unrecognized arguments: -- x"),
        ("run app.py --max 3", "unrecognized arguments: --max 3"),
    ],
)
def test_a_wrong_line_is_told(line, words, capsys):
    """A wrong line ends with status 2 and names the argument, the value and what it should be."""
    with pytest.raises(SystemExit) as caught:
        parse(line.split())
    assert caught.value.code == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("line", ["--version", "--help", "run --help", "show --help"])
def test_questions_are_answered(line, capsys):
    """Help and version go to stdout with status 0, and name no hidden option."""
    with pytest.raises(SystemExit) as caught:
        parse(line.split())
    assert caught.value.code == 0
    said = capsys.readouterr()
    assert "simloop" in said.out
    assert "--report" not in said.out
    assert "--steps" not in said.out
    assert not said.err


@pytest.mark.slow
def test_bash_completes_the_command(tmp_path):
    """What is printed for bash completes commands, options and files."""
    pytest.importorskip("shtab")
    script = subprocess.run(
        [sys.executable, "-m", "simloop", "--print-completion", "bash"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    (tmp_path / "complete.sh").write_text(script)
    (tmp_path / "service.py").touch()

    def complete(*words):
        line = f"{' '.join(map(shlex.quote, words))}"
        asked = (
            f"source complete.sh; COMP_WORDS=({line}); COMP_CWORD={len(words) - 1};"
            " _shtab_simloop; echo ${COMPREPLY[@]}"
        )
        done = subprocess.run(
            ["/bin/bash", "-c", asked], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        return done.stdout.split()

    assert complete("simloop", "r") == ["run", "replay"]
    assert complete("simloop", "run", "--max") == ["--max-time", "--max-steps"]
    assert complete("simloop", "run", "serv") == ["service.py"]
    assert complete("simloop", "show", "--out") == ["--output"]


def test_completion_says_what_it_needs(monkeypatch, capsys):
    """Without shtab the option names the extra that brings it."""
    monkeypatch.setitem(sys.modules, "shtab", None)
    with pytest.raises(SystemExit) as caught:
        parse(["--print-completion", "zsh"])
    assert caught.value.code == 2
    assert "pip install 'simloop-engine[completion]'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("explor app.py", "did you mean explore?"),
        ("run app.py --sed 3", "did you mean --seed?"),
        ("explore app.py --shedules=5", "did you mean --schedules?"),
        ("sweep rnu app.py", "did you mean run?"),
        ("sweep run app.py --jbos 2", "did you mean --jobs?"),
        ("run app.py --seed 0-9", "for many seeds there is `simloop check PROGRAM --seeds 0-9`"),
    ],
)
def test_a_slip_is_told_with_what_was_meant(line, hint, capsys):
    """A command or an option that is nearly one ends with status 2, and names that one."""
    with pytest.raises(SystemExit) as caught:
        parse(line.split())
    assert caught.value.code == 2
    assert capsys.readouterr().err.rstrip().endswith(hint)


def test_what_is_like_nothing_gets_no_hint(capsys):
    """A word that resembles no command is told without a guess; hidden options are none."""
    for line in ("xyzzy", "run app.py --qqq", "run app.py --reprot x"):
        with pytest.raises(SystemExit):
            parse(line.split())
    assert "did you mean" not in capsys.readouterr().err


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("stream", "env", "wanted"),
    [
        (Terminal(), {}, True),
        (Terminal(), {"NO_COLOR": "1"}, False),
        (Terminal(), {"NO_COLOR": ""}, True),
        (Terminal(), {"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
        (Terminal(), {"TERM": "dumb"}, False),
        (io.StringIO(), {}, False),
        (io.StringIO(), {"FORCE_COLOR": "1"}, True),
    ],
)
def test_colours_are_for_terminals_that_want_them(stream, env, wanted):
    """A terminal has colours unless NO_COLOR or its kind says no; a pipe only if it is forced."""
    assert wants_color(stream, env) is wanted


def test_an_error_is_red_where_there_are_colours(monkeypatch, capsys):
    """On a terminal our name is dim and the word of an error red; else the line is plain."""
    monkeypatch.setenv("NO_COLOR", "1")
    say("error: there is no file")
    assert capsys.readouterr().err == "simloop: error: there is no file\n"
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("FORCE_COLOR", "1")
    say("LimitError: too late")
    assert capsys.readouterr().err == (
        "\x1b[2msimloop:\x1b[0m \x1b[31mLimitError:\x1b[0m too late\n"
    )

"""Schedules in files and tokens: what comes back is what was kept; what is damaged is told."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

import simloop
from simloop import Delays, Deviation, Schedule
from simloop.errors import UsageError

from . import broken_programs
from .elsewhere import assert_replayed

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
DEVIATIONS = st.lists(
    st.builds(
        Deviation,
        st.sampled_from(["stall", "late", "hold", "order", "choice", "fault.crash"]),
        NAMES,
        st.integers(1, 10**6),
        st.integers(1, 10**9),
    ),
    max_size=8,
    unique_by=lambda each: each.key,
)
SCHEDULES = st.builds(
    Schedule,
    DEVIATIONS,
    delays=st.builds(Delays, st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0, 10)),
    options=st.dictionaries(st.sampled_from(["seed", "max_steps"]), st.integers(0, 10**20)),
    digest=st.binary(min_size=16, max_size=16).map(bytes.hex),
    error=NAMES,
    program=NAMES,
    permuted=st.booleans(),
)


@given(SCHEDULES)
def test_a_file_gives_back_what_was_saved(schedule) -> None:
    """Through JSON, every field."""
    text = json.dumps(schedule.to_json())
    assert Schedule.from_json(json.loads(text)) == schedule


@given(SCHEDULES)
def test_a_token_gives_back_what_a_replay_needs(schedule) -> None:
    """Deviations by hash, in order, caps, options, and the token again."""
    back = Schedule.of_token(schedule.token)
    assert list(back.hashed.values()) == [each.value for each in schedule.deviations]
    assert (back.delays, back.options) == (schedule.delays, schedule.options)
    assert back.permuted == schedule.permuted
    assert schedule.digest.startswith(back.digest)
    assert back.token == schedule.token


@given(SCHEDULES, st.data())
def test_a_token_that_was_cut_off_is_told(schedule, data) -> None:
    """A part of a token, or one with a wrong letter, is no token."""
    token = schedule.token
    cut = data.draw(st.integers(0, len(token) - 1))
    with pytest.raises(UsageError, match="cut off, or mistyped"):
        Schedule.of_token(token[:cut])
    other = "0" if token[cut] != "0" else "1"
    with pytest.raises(UsageError, match="cut off, or mistyped"):
        Schedule.of_token(token[:cut] + other + token[cut + 1 :])


def test_a_token_is_short() -> None:
    """Two deviations under the default caps: a word of fewer than thirty letters."""
    deviations = [Deviation("hold", f"tcp 127.0.0.1:7000 #{n} client", n, 3) for n in (1, 2)]
    token = Schedule(deviations, digest="ab" * 16).token
    assert len(token) < 30
    assert token.isalnum()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is no JSON"),
        ("[]", "'format': 'simloop schedule'"),
        ('{"format": "other"}', "'format': 'simloop schedule'"),
        ('{"format": "simloop schedule", "version": 99}', "version 99"),
        ('{"format": "simloop schedule", "version": 1}', "damaged"),
        (
            '{"format": "simloop schedule", "version": 1, "deviations": [{"x": 1}], "delays": {}}',
            "damaged",
        ),
        (
            json.dumps(dict(Schedule([]).to_json(), options=None)),
            "damaged: options",
        ),
    ],
)
def test_a_file_that_holds_no_schedule_is_told(tmp_path, text, message) -> None:
    """Another format, a later version, a part missing: each by name."""
    path = tmp_path / "schedule.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=message):
        Schedule.load(path)


@pytest.fixture(scope="module")
def failure():
    return simloop.explore(broken_programs.timeout_races_result).failures[0]


def test_a_schedule_of_another_program_is_told(failure) -> None:
    """A deviation that is never asked for: the program has changed, and what it was is named."""
    with pytest.raises(UsageError, match=r"never asked for 1 of 1.*has changed.*InvalidStateError"):
        simloop.replay(broken_programs.sleeps_stand_for_io, failure)
    with pytest.raises(UsageError, match="never asked for 1 of 1"):
        simloop.replay(broken_programs.sleeps_stand_for_io, failure.schedule.token)


def test_a_changed_program_is_told_from_a_failure_that_is_gone(failure) -> None:
    """The deviations fit, and the digest differs: the program did something else."""
    import attrs

    changed = attrs.evolve(failure.schedule, digest="00" * 16)
    with pytest.raises(UsageError, match="does something else under the schedule"):
        simloop.replay(broken_programs.timeout_races_result, changed)


@pytest.mark.slow
def test_another_process_replays_by_file_and_token(failure, tmp_path) -> None:
    """Another process with another hash seed: the same error, the same digest."""
    path = tmp_path / "found.json"
    failure.schedule.save(path)
    main = broken_programs.timeout_races_result
    assert_replayed(main, failure, path, failure.schedule.token)

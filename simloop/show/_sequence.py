"""A sequence diagram of the last moments of a run, for an issue or a chat.

Owns: what is in it, and its text in Mermaid's language. Where a run has packets between hosts, the
hosts are its participants, and packets without data are left out (but for the first and the last of
a connection); else the tasks are, with the messages between them and what they wait for.

Must not know: how it is drawn; :mod:`._sequence_svg` does that.

Invariant: no text of a run can end a line of the diagram, or become a word of its language.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from simloop.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ._picture import Message, Packet, Picture

__all__ = ["FORMS", "Arrow", "Note", "Sequence", "sequence_diagram", "sequence_of"]

FORMS = ("mermaid", "svg")

_LAST = 20
_TEXT_MAX = 60
_BEGINS_MAX = 24
_ON_ITS_WAY = "on its way"
"""How a trace's reason begins for a packet that was neither lost nor there when the run ended."""
_SHOWN_KINDS = ("syn", "data", "fin", "rst", "datagram", "icmp")


@attrs.frozen
class Arrow:
    """Something that one participant sent another."""

    order: float
    """The step in which it was sent, and parts of a step between."""
    time_us: float
    source: str
    destination: str
    text: str
    is_lost: bool = False


@attrs.frozen
class Note:
    """Something that happened to a participant; to all where it names none."""

    order: float
    time_us: float
    who: str
    text: str
    is_failure: bool = False


@attrs.frozen
class Sequence:
    """What is in a diagram, in order."""

    title: str
    participants: tuple[str, ...]
    entries: tuple[Arrow | Note, ...]
    left_out: int = 0
    """How many entries came before the first."""


def sequence_diagram(picture: Picture, *, form: str = "mermaid", last: int = _LAST) -> str:
    """Return the last moments of a run as a sequence diagram: before its failure, or its end.

    Args:
        picture: The run, as :func:`read` returns it.
        form: ``"mermaid"``, which GitHub, GitLab and chats draw from a block of that language, or
            ``"svg"``, the text of an image.
        last: How many arrows and notes it has at most.

    Raises:
        UsageError: One of them means nothing.
    """
    if form not in FORMS:
        raise UsageError(f"sequence_diagram(form={form!r}): give one of {', '.join(FORMS)}")
    if last < 1:
        raise UsageError(f"sequence_diagram(last={last!r}): give a number of entries, at least 1")
    sequence = sequence_of(picture, last)
    if form == "mermaid":
        return _mermaid(sequence)
    from ._sequence_svg import svg  # noqa: PLC0415 - it stands on this module

    return svg(sequence)


def sequence_of(picture: Picture, last: int = _LAST) -> Sequence:
    """Return what is in the diagram of the last moments of a run."""
    failing = picture.failing_step
    entries = [*(_of_hosts(picture) if picture.packets else _of_tasks(picture))]
    if failing >= 0:
        entries = [each for each in entries if each.order < failing + 0.5]
    entries.sort(key=lambda each: each.order)
    left_out = max(0, len(entries) - last)
    entries = entries[left_out:]
    if failing >= 0:
        entries.append(_failure(picture, failing))
    named = dict.fromkeys(
        name
        for each in entries
        for name in ((each.source, each.destination) if isinstance(each, Arrow) else (each.who,))
        if name
    )
    order = picture.processes if picture.packets else [_task(picture, n) for n in _tasks(picture)]
    known = {name: None for name in order if name in named}
    return Sequence(
        title=str(picture.about.get("program", "a run")),
        participants=tuple(known) or ("the run",),
        entries=tuple(entries),
        left_out=left_out,
    )


def _failure(picture: Picture, failing: int) -> Note:
    step = picture.steps[failing]
    who = _host_or_task(picture, step.track)
    error = str(picture.about.get("error", "")).partition("\n")[0]
    return Note(failing + 0.9, step.begin_us, who, f"fails: {error}", is_failure=True)


def _host_or_task(picture: Picture, track: int) -> str:
    if picture.packets:
        return picture.processes[picture.tracks[track].process]
    return _task(picture, track)


def _tasks(picture: Picture) -> range:
    return range(len(picture.tracks))


def _task(picture: Picture, track: int) -> str:
    """Return the name of a task, or of the callbacks of a host."""
    each = picture.tracks[track]
    coroutine = each.coroutine.rpartition("<locals>.")[2]
    name = f"{each.name} ({coroutine})" if coroutine else each.name
    if len(picture.processes) > 1 and not each.name.startswith(picture.processes[each.process]):
        return f"{picture.processes[each.process]}: {name}"
    return name


# Of hosts --------------------------------------------------------------------------------------


def _of_hosts(picture: Picture) -> Iterator[Arrow | Note]:
    for packet in picture.packets:
        if packet.kind in _SHOWN_KINDS:
            yield _packet(picture, packet)
    for moment in picture.moments:
        who = "" if moment.process < 0 else picture.processes[moment.process]
        yield Note(moment.step + 0.2, moment.at_us, who, moment.text)
    for spell in picture.spells:
        if spell.kind == "network":
            who = picture.processes[spell.process]
            yield Note(spell.after + 0.1, spell.begin_us, who, spell.state)
            if spell.before >= 0:
                text = f"no longer {spell.state}"
                yield Note(spell.before + 0.1, spell.end_us, who, text)


def _packet(picture: Picture, packet: Packet) -> Arrow:
    source = picture.processes[packet.source]
    to = packet.destination if packet.destination >= 0 else packet.ended_at
    text = packet.kind
    if begins := str(packet.about.get("begins", "")):
        text = f"{text} {_shown(begins)}"
    is_on_way = packet.why.startswith(_ON_ITS_WAY)
    if packet.why and not is_on_way:
        text = f"{text}, lost: {packet.why}" if packet.why != "lost" else f"{text}, lost"
    text = f"{text}, on its way" if is_on_way else text
    destination = source if to < 0 else picture.processes[to]
    is_lost = bool(packet.why) and not is_on_way
    return Arrow(packet.sender + 0.3, packet.begin_us, source, destination, text, is_lost)


def _shown(begins: str) -> str:
    r"""Write the first bytes of a message, short, as Python would.

    >>> _shown("cart\n"), _shown("x" * 80)
    ("'cart\\n'", "'xxxxxxxxxxxxxxxxxxxxxxxx'...")
    """
    return repr(begins[:_BEGINS_MAX]) + ("..." if len(begins) > _BEGINS_MAX else "")


# Of tasks --------------------------------------------------------------------------------------


def _of_tasks(picture: Picture) -> Iterator[Arrow | Note]:
    for message in picture.messages:
        yield _message(picture, message)
    for wait in picture.waits:
        if _is_ours(picture, wait.track):
            continue
        who = _task(picture, wait.track)
        ends = "" if wait.before >= 0 else ", to the end"
        yield Note(wait.after + 0.4, wait.begin_us, who, f"waits for {wait.reason}{ends}")
    last = {step.track: number for number, step in enumerate(picture.steps)}
    for number, track in enumerate(picture.tracks):
        if _is_ours(picture, number) or number not in last:
            continue
        if track.outcome and not track.outcome.startswith("still"):
            step = picture.steps[last[number]]
            yield Note(last[number] + 0.5, step.end_us, _task(picture, number), track.outcome)


def _is_ours(picture: Picture, track: int) -> bool:
    """Return whether a task is of the loop itself: what closes it at its end."""
    return "/simloop/_loop/" in picture.tracks[track].where.replace("\\", "/")


def _message(picture: Picture, message: Message) -> Arrow:
    step = picture.steps[message.sender]
    source = _task(picture, step.track)
    is_lost = message.taker < 0
    reader = source if is_lost else _task(picture, picture.steps[message.taker].track)
    begins = str(message.about.get("begins", ""))
    text = _shown(begins) if begins else message.kind
    text = f"{text}, which nobody read" if is_lost else text
    return Arrow(message.sender + 0.3, step.begin_us, source, reader, text, is_lost)


# Mermaid ---------------------------------------------------------------------------------------


def _mermaid(sequence: Sequence) -> str:
    ids = {name: f"p{number}" for number, name in enumerate(sequence.participants)}
    lines = ["sequenceDiagram"]
    lines += [f"    participant {ids[name]} as {_plain(name)}" for name in sequence.participants]
    ends = list(dict.fromkeys((ids[sequence.participants[0]], ids[sequence.participants[-1]])))
    everyone = ",".join(ends)
    if sequence.left_out:
        lines.append(f"    Note over {everyone}: {sequence.left_out} before these")
    lines += (f"    {line}" for line in _entries(sequence.entries, ids, everyone))
    return "\n".join(lines) + "\n"


def _entries(entries: Iterable[Arrow | Note], ids: dict[str, str], everyone: str) -> Iterator[str]:
    for each in entries:
        text = _plain(f"{each.time_us / 1e6:.6g} s  {each.text}")
        if isinstance(each, Note):
            yield f"Note over {ids.get(each.who, everyone)}: {text}"
        else:
            line = "-x" if each.is_lost else "->>"
            yield f"{ids[each.source]}{line}{ids[each.destination]}: {text}"


_ENTITIES = {"#": "#35;", ";": "#59;", "<": "#lt;", ">": "#gt;", "%": "#37;", '"': "#quot;"}


def _plain(text: str) -> str:
    r"""Write a text so that Mermaid takes it for one, on one line, shortened.

    >>> _plain("a;b\n<c> 50%")
    'a#59;b #lt;c#gt; 50#37;'
    """
    line = " ".join(text.split())
    if len(line) > _TEXT_MAX:
        line = f"{line[: _TEXT_MAX - 3]}..."
    return "".join(_ENTITIES.get(each, each) for each in line if each.isprintable())

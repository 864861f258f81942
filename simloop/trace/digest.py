"""The digest: one hash over everything that a run did.

Owns: what goes into it, in which order. Each step adds its virtual time, its label and the line at
which its task's own coroutine stands; each timer its deadline; each write to a socket its
endpoints and its bytes; what else the run does to the outside (output, files, processes, signals)
what it is; the end its outcome. Runs with equal digests did the same things at the same times in
the same order.

How it works. A run with a digest is to cost little more than one without, and most steps say what
others said before. So the record is a list of integers. A text gets a number when it first comes,
with the text itself beside; after that a step is one integer: the number of its task's name plus
that of where it stands. Deadlines are as they are, at least 0; all else is negative. What is told
is the same as if each step wrote its label: the numbers follow from the texts alone.

Must not know: who asks. It is an observer of the kernel and a tap of the network, and a run without
it has neither.
"""

from __future__ import annotations

import os
from asyncio import Task
from asyncio.futures import _set_result_unless_cancelled  # type: ignore[attr-defined]
from hashlib import blake2b
from struct import error as StructError  # noqa: N812 - a class
from struct import pack
from types import (
    BuiltinFunctionType,
    CoroutineType,
    FunctionType,
    GetSetDescriptorType,
    MethodType,
    WrapperDescriptorType,
)
from typing import TYPE_CHECKING, Any

from simloop._kernel.safe_looks import bytes_without_addresses, without_addresses

from .labels import (
    coroutine_of,
    frame_of,
    instruction_words,
    name_of,
    qualified_name,
    task_of,
)
from .plain_text import canonical, lasting, lasting_bytes

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from simloop._kernel import Handle, TimerHandle

    Step = Callable[[int, Handle | TimerHandle], None]

__all__ = ["Digest"]

_BATCH = 1024
"""Integers put together before they are hashed: a call of the hash costs as much as a step."""

_TEXTS_MAX = 4096
"""Names of tasks, places at which they stand, and flows of bytes that keep their numbers."""

_TEXT, _BYTES, _SENT = -1, -2, -3
"""What the integers after it are: the length of a text, that of bytes, a flow's number and the
length of what it carried."""

_SLEPT, _ANEW = -4, -5
"""A step, the end of a sleep; and that numbers are given anew, from the first on."""

_FIRST_PLACE = -16
_FIRST_NAME = -(1 << 20)
"""Multiples of it are names, so that a sum with the number of a place tells both."""

_TIMES = -(1 << 40)
"""A time is so much less its nanoseconds, below all names."""


_kinds: dict[type, None] = {BuiltinFunctionType: None}
"""Classes of a task's callbacks whose ``__self__`` is C's, so that to look at it runs no code."""


def _keep_kind(kind: Any) -> None:
    """Keep a class of callbacks if it is asyncio's ``TaskStepMethWrapper``, which has no name."""
    own = vars(kind).get("__self__")
    if type(own) is GetSetDescriptorType and type(kind.__getattribute__) is WrapperDescriptorType:
        _kinds[kind] = None


_words = instruction_words()

_ENGINE = os.path.dirname(os.path.dirname(__file__)) + os.sep  # noqa: PTH120 - cheaper to import than pathlib


def _line_in(frame: FrameType) -> int:
    """Return the line of a frame; in the engine's code that of the function, which moves less."""
    code = frame.f_code
    first = code.co_firstlineno - 1 if code.co_filename.startswith(_ENGINE) else 0
    return (frame.f_lineno or first) - first


class _Records:
    """What is told of a run, on its way into the hash, and the numbers of its texts."""

    def __init__(self) -> None:
        self.hash = blake2b(digest_size=16)
        self.pending: list[int] = []
        self._texts: list[str] = []
        self.names: dict[str, int] = {}
        self._labels: dict[str, int] = {}
        # Short ways to the number of a label: by what a step's callback is, no text being made. A
        # place is known by its instruction, whose code is kept so that no other comes to lie there.
        self.places: dict[tuple[str, object], int] = {}
        self._codes: list[object] = []

    def token(self, callback: Any) -> int:
        """Return the integer that stands for a step, by its label; keep the short way to it."""
        kind = type(callback)
        owner: Any = callback.__self__ if kind in _kinds else None
        task = owner if type(owner) is Task else task_of(callback)
        if task is None:
            number = self._number(qualified_name(callback))
            function = callback.__func__ if type(callback) is MethodType else callback
            if type(function) is FunctionType and type(function.__module__) is str:
                # Methods, too: where one is called of a task and of what is none, the first tells.
                self._keep((function.__qualname__, function.__module__), number, None)
            return number
        if kind not in _kinds:
            _keep_kind(kind)
        coro = coroutine_of(task)
        frame = frame_of(coro)
        line = 0 if frame is None else _line_in(frame)
        label = qualified_name(coro)
        number = self._number(f"{label} {line}" if line else label)
        if line and type(coro) is CoroutineType and _words is not None:
            key = coro.__qualname__, _words.memory[2 * hash(coro) + _words.offset]
            self._keep(key, number, frame.f_code)
        return self.number_of_name(name_of(task)) + number

    def _keep(self, key: tuple[str, object], number: int, code: object) -> None:
        if len(self.places) >= _TEXTS_MAX:
            self._forget_places()
        self.places[key] = number
        self._codes.append(code)

    def _forget_places(self) -> None:
        self.places.clear()
        self._codes.clear()

    def _number(self, label: str) -> int:
        number = self._labels.get(label)
        if number is None:
            if len(self._labels) >= _TEXTS_MAX:
                self._labels.clear()
                self._forget_places()
                self.pending.append(_ANEW)
            number = self._labels[label] = _FIRST_PLACE - len(self._labels)
            self.note(label)
        return number

    def number_of_name(self, name: str) -> int:
        """Return the integer that stands for the name of a task, or of a process."""
        number = self.names.get(name)
        if number is None:
            if len(self.names) >= _TEXTS_MAX:
                self.names.clear()
                self.pending.append(_ANEW)
            number = self.names[name] = _FIRST_NAME * (1 + len(self.names))
            self.note(name)
        return number

    def note(self, text: str) -> None:
        """Add a text."""
        self.pending += (_TEXT, len(text))
        self._texts.append(text)
        if len(self.pending) >= _BATCH:
            self.flush()

    def flush(self) -> None:
        """Hash what is pending: the integers, and the texts among them."""
        try:
            self.hash.update(pack(f"<{len(self.pending)}q", *self.pending))
        except StructError:  # Some 292 years ahead.
            self.hash.update(repr(self.pending).encode())
        self.pending.clear()  # The list itself stays: it is what timers are told to.
        if self._texts:
            self.hash.update("".join(self._texts).encode(errors="surrogatepass"))
            self._texts.clear()


def _telling(records: _Records) -> Step:
    """Make the function that adds a step.

    It is no method, because what it looks at in every step is then a variable, which takes half as
    long as an attribute. For the same reason what is rare is an exception.
    """
    pending, append, flush = records.pending, records.pending.append, records.flush
    names, places, token = records.names, records.places, records.token
    kinds, (memory, offset) = _kinds, _words or ((), 0)
    last_ns = -1

    def step(now_ns: int, handle: Handle | TimerHandle) -> None:
        """Add a step."""
        nonlocal last_ns
        if now_ns != last_ns:
            last_ns = now_ns
            append(_TIMES - now_ns)
            if len(pending) >= _BATCH:
                flush()
        callback: Any = handle._callback
        kind = type(callback)
        try:
            if kind in kinds:
                task = callback.__self__
                if type(task) is Task and task._simloop_made:  # type: ignore[attr-defined]
                    coro: Any = task.get_coro()
                    if type(coro) is CoroutineType:
                        place = coro.__qualname__, memory[2 * hash(coro) + offset]
                        append(names[task.get_name()] + places[place])
                        return
            elif callback is _set_result_unless_cancelled:
                append(_SLEPT)
                return
            else:
                function = callback.__func__ if kind is MethodType else callback
                if type(function) is FunctionType:
                    append(places[function.__qualname__, function.__module__])
                    return
        except (AttributeError, LookupError):
            pass
        append(token(callback))

    return step


class Digest:
    """A hash that grows with each step.

    Example:
        >>> digest = Digest()
        >>> digest.note("hello")
        >>> digest.hexdigest() == digest.hexdigest()
        True
    """

    def __init__(self) -> None:
        self._records = records = _Records()
        self._flows: dict[tuple[str, object, object], int] = {}
        self.step: Step = _telling(records)
        """Add a step, at a time in nanoseconds."""
        self.timed: Callable[[int], None] = records.pending.append
        """Add a timer that was set, by its deadline; most never come, as timeouts do not."""

    def switched(self, process: str) -> None:
        """Add that the next steps are of another process, which names of tasks may not tell."""
        self._records.pending.append(self._records.number_of_name(f"in {process}"))

    def sent(self, kind: str, source: object, destination: object, data: bytes) -> None:
        """Add bytes that crossed a socket."""
        records = self._records
        flow = self._flows.get((kind, source, destination))
        if flow is None:
            if len(self._flows) >= _TEXTS_MAX:
                self._flows.clear()
                records.pending.append(_ANEW)
            flow = self._flows[kind, source, destination] = len(self._flows)
            records.note(lasting(f"{kind} {source} {destination}"))
        data = bytes_without_addresses(data)
        records.pending += (_SENT, flow, len(data))
        records.flush()
        records.hash.update(data)

    def happened(self, what: str, data: str | bytes) -> None:
        """Add what the run did to the outside.

        Args:
            what: What was done, and to what: ``stdout``, ``file notes.txt``, ``signal``.
            data: What was written, or more on what was done.
        """
        self.note(lasting(what))
        if isinstance(data, str):
            self.note(lasting(without_addresses(data)))
            return
        data = lasting_bytes(bytes_without_addresses(data))
        self._records.pending += (_BYTES, len(data))
        self._records.flush()
        self._records.hash.update(data)

    def ended(self, value: object, error: BaseException | None) -> None:
        """Add how the run ended."""
        how = f"value {canonical(value)}" if error is None else f"error {canonical(error)}"
        self.note(lasting(how))

    def note(self, record: str) -> None:
        """Add a line of text."""
        self._records.note(record)

    def hexdigest(self) -> str:
        """Return the hash of everything so far, as 32 hexadecimal digits."""
        self._records.flush()
        return self._records.hash.hexdigest()

"""Rewriting Python functions in place, and many words at one go."""

from __future__ import annotations

import ctypes
import gc

import pytest

import simloop
from simloop._sandbox.patching import python_functions as rewrite
from simloop._sandbox.patching.memory import MemoryPatch, Word
from simloop._sandbox.patching.python_functions import Rewrite


def add(first: int, second: int = 2, *, third: int = 3) -> int:
    return first + second + third


def make_closure(base: int):
    def closure(value: int) -> int:
        return base + value

    return closure


def calls_of(function, *args, **kwargs) -> list:
    return [function(*args, **kwargs) for _ in range(200)]  # Enough for the interpreter to learn.


@pytest.mark.parametrize("function", [add, make_closure(5)])
def test_a_function_follows_and_comes_back(function) -> None:
    """Each caller reaches ours while it is on, and not after, whatever was learnt before."""
    made = Rewrite(function, lambda *args, **kwargs: (args, kwargs))
    words = MemoryPatch(made.words)
    before = function(1)
    for _ in range(3):
        assert calls_of(function, 1) == [before] * 200
        words.on()
        assert calls_of(function, 1) == [((1,), {})] * 200
        gc.collect()
        words.off()
    assert calls_of(function, 1) == [before] * 200
    assert made.real(1) == before


def test_keywords_arrive() -> None:
    """The replacement gets keywords, and the real one keeps its defaults."""
    made = Rewrite(add, lambda *args, **kwargs: (args, kwargs))
    words = MemoryPatch(made.words)
    words.on()
    try:
        assert add(1, third=9) == ((1,), {"third": 9})
        assert made.real(1) == 6
    finally:
        words.off()
    assert add(1, third=9) == 12


def test_words_are_written_where_they_lie() -> None:
    """Each word gets its own value; of two for one place the later counts."""
    cells = [ctypes.c_size_t(number) for number in range(100)]
    words = MemoryPatch(
        [Word(ctypes.addressof(cell), cell.value, 2**64 - 1 - cell.value) for cell in cells]
        + [Word(ctypes.addressof(cells[0]), 0, 7)]
    )
    assert len(words) == 101
    words.on()
    assert [cell.value for cell in cells[:3]] == [7, 2**64 - 2, 2**64 - 3]
    words.off()
    assert [cell.value for cell in cells] == list(range(100))


def test_no_words_are_fine() -> None:
    """With nothing to write nothing happens."""
    words = MemoryPatch(())
    words.on()
    words.off()
    assert not len(words)


def test_an_unknown_layout_is_refused(monkeypatch) -> None:
    """Where functions keep their code elsewhere, nothing is written."""
    monkeypatch.setattr(rewrite, "_CODE_AT", rewrite._CODE_AT + 8)
    with pytest.raises(simloop.UnsupportedError, match="laid out otherwise"):
        rewrite.check_functions()

"""Rewriting Python functions in place, and many words at one go."""

from __future__ import annotations

import ctypes
import gc

import pytest
from hypothesis import given
from hypothesis import strategies as st

import simloop
from simloop._sandbox.patching import python_functions as rewrite
from simloop._sandbox.patching.memory import WORD_SIZE, MemoryPatch, Word
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


@given(named=st.lists(st.integers(0, 30), min_size=1))
def test_words_are_written_where_they_lie(named) -> None:
    """Each gets its own value, neighbours or not; of two for one place the later one counts."""
    cells = (ctypes.c_size_t * 31)(*range(31))
    there = {index: 2**64 - number for number, index in enumerate(named, 1)}
    words = MemoryPatch(
        Word(ctypes.addressof(cells) + index * WORD_SIZE, index, 2**64 - number)
        for number, index in enumerate(named, 1)
    )
    assert len(words) == len(there)
    for _ in range(2):
        words.on()
        assert list(cells) == [there.get(index, index) for index in range(31)]
        words.off()
        assert list(cells) == list(range(31))


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

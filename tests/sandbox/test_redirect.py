"""Redirecting builtin functions in place."""

from __future__ import annotations

import asyncio
import copyreg
import ctypes
import gc
import os
import pickle
import sys
import time
import types
from _thread import LockType, allocate_lock

import pytest

import simloop
from simloop._sandbox.patching import c_functions as module
from simloop._sandbox.patching.c_functions import (
    MethodRedirect,
    Redirect,
    check_layout,
    clone,
    is_builtin,
    type_dict,
    type_modified,
)
from simloop._sandbox.patching.memory import MemoryPatch, address_of, memory
from simloop.errors import UnsupportedError

ANY = [((), {}), ((1,), {}), ((1, 2), {"key": 3})]

# One of each calling convention: no arguments, one, a tuple, an array, an array with keywords.
FUNCTIONS = [
    (time.thread_time, ANY[:1]),
    (time.mktime, ANY[1:2]),
    (ctypes.resize, ANY),
    (divmod, ANY),
    (sorted, ANY),
]


def held(function=time.thread_time):
    return function()


@pytest.mark.parametrize(("target", "possible"), FUNCTIONS)
def test_every_calling_convention_arrives(target, possible):
    """A redirected function hands on what it can be called with, and refuses the rest as ever."""
    calls = []
    redirect = Redirect(target, lambda *args, **kwargs: calls.append((args, kwargs)) or "ours")
    redirect.on()
    try:
        for args, kwargs in ANY:
            if (args, kwargs) in possible:
                assert target(*args, **kwargs) == "ours"
            else:
                with pytest.raises(TypeError, match=target.__name__):
                    target(*args, **kwargs)
    finally:
        redirect.off()
    assert calls == possible


def test_methods_of_classes_in_c_follow():
    """A redirected method is ours by each way to it, held before too, and then C's again."""
    lock, held = allocate_lock(), LockType.acquire
    redirect = MethodRedirect(type_dict(LockType)["acquire"], lambda *args: ("ours", *args[1:]))
    words = MemoryPatch(redirect.words)

    def call():
        return lock.acquire(False)

    assert [call() for _ in range(20)] == [True] + [False] * 19  # Specialised byte code.
    words.on()
    try:
        answers = [call(), held(lock), LockType.acquire(lock, 1), lock.acquire()]
        assert redirect.real(lock, False) is False
    finally:
        words.off()
    assert answers == [("ours", False), ("ours",), ("ours", 1), ("ours",)]
    assert call() is held(lock, False) is False
    gc.collect()


def test_references_follow():
    """Whoever held the function before follows it there and back."""
    redirect = Redirect(time.thread_time, lambda: "ours")
    redirect.on()
    try:
        assert held() == "ours"
        assert redirect.real() != "ours"
    finally:
        redirect.off()
    assert isinstance(held(), float)


def test_errors_pass():
    """What the Python function raises is raised by the call."""
    redirect = Redirect(time.thread_time, lambda: 1 // 0)
    redirect.on()
    try:
        with pytest.raises(ZeroDivisionError):
            time.thread_time()
    finally:
        redirect.off()


def test_specialised_code_follows():
    """Byte code that was specialised for the C function calls ours all the same."""
    redirect = Redirect(time.thread_time, lambda: -1.0)
    seen = []
    for turn in range(3):
        (redirect.off, redirect.on, redirect.off)[turn]()
        seen.append([held() for _ in range(2000)][-1] == -1.0)
    assert seen == [False, True, False]


def test_collection_survives():
    """The collector may run in every state: references are counted as it expects."""
    redirect = Redirect(time.thread_time, lambda: "ours")
    for _ in range(3):
        redirect.on()
        gc.collect()
        redirect.off()
        gc.collect()
    assert isinstance(time.thread_time(), float)
    assert time.thread_time.__self__ is time


def test_a_clone_is_real():
    """A clone has the original's name and never follows a redirect."""
    copy = clone(time.thread_time)
    redirect = Redirect(time.thread_time, lambda: "ours")
    redirect.on()
    try:
        assert isinstance(copy(), float)
    finally:
        redirect.off()
    assert copy.__name__ == "thread_time"
    assert copy is not time.thread_time


def test_builtin_functions_are_told_apart():
    """Only functions written in C can be redirected."""
    assert is_builtin(time.time)
    assert not is_builtin(held)
    assert not is_builtin(dict)


def test_memory_is_the_object_itself():
    """A view of an object's struct shows and changes the object."""
    number = float("1.5")
    view = memory(number, module.HEAD_SIZE, 8)
    assert view.cast("d")[0] == 1.5
    view.cast("d")[0] = 2.5
    assert number == 2.5


def test_a_c_class_can_be_changed():
    """The namespace of a class written in C is the one that lookups use."""
    namespace = type_dict(types.SimpleNamespace)
    namespace["marked"] = 1
    type_modified(address_of(types.SimpleNamespace))
    assert types.SimpleNamespace.marked == 1
    del namespace["marked"]
    type_modified(address_of(types.SimpleNamespace))
    assert not hasattr(types.SimpleNamespace, "marked")


@pytest.mark.parametrize("function", [time.sleep, time.time, os.getpid, os.close, open, print])
def test_a_builtin_that_is_answered_is_pickled_by_its_name(function):
    """A job for a pool of processes arrives there as what it is here: the real function."""

    async def main():
        return pickle.dumps(function)

    outcome = simloop.simulate(main)
    assert pickle.loads(outcome.value) is function  # noqa: S301 - our own
    assert not copyreg.dispatch_table.get(type(function))


@pytest.mark.parametrize("function", [time.sleep, os.close, open, print, os.open])
def test_a_builtin_that_is_answered_keeps_its_name(function):
    """A callback is called what it is on the real loop: ``print``, and no method of a function."""

    async def main():
        handle = asyncio.get_running_loop().call_later(1, function)
        told = repr(function), function.__qualname__, repr(handle)
        handle.cancel()
        return told

    told, outside = simloop.simulate(main).value, (repr(function), function.__qualname__)
    assert told[:2] == outside
    assert told[2] == f"<TimerHandle when=1.0 {function.__qualname__}()>"


def test_other_interpreters_are_refused(monkeypatch):
    """Where memory may be laid out otherwise, nothing is touched and the error says so."""
    monkeypatch.setattr(sys, "implementation", types.SimpleNamespace(name="pypy"))
    with pytest.raises(UnsupportedError, match=r"needs CPython 3\.11 to 3\.14, and this is pypy"):
        check_layout()

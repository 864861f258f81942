"""Functions on their way to another process.

Owns: packing a function so that a fresh process can have it. One that its module knows by its name
goes by that; one that was made inside of another function goes as its code, with the values that
it has closed over, and finds the rest in its module.

Must not know: what the function is for.

Invariant: what cannot go raises when it is packed, not when it arrives.
"""

from __future__ import annotations

import importlib
import io
import marshal
import pickle
import sys
from types import CellType, FunctionType
from typing import Any

__all__ = ["pack", "unpack"]


def pack(thing: object) -> bytes:
    """Turn a value into bytes, functions of all kinds included.

    Raises:
        Exception: Whatever pickle raises for what it cannot do.
    """
    packed = io.BytesIO()
    _Packer(packed).dump(thing)
    return packed.getvalue()


def unpack(packed: bytes) -> Any:
    """Turn bytes of :func:`pack` into the value, in another process."""
    return pickle.loads(packed)  # noqa: S301 - it comes from the process that started this one


class _Packer(pickle.Pickler):
    """Packs functions that have no name in a module as their code."""

    def reducer_override(self, thing: Any) -> Any:
        """Say how to make a thing anew; NotImplemented for what pickle can do by itself."""
        if not isinstance(thing, FunctionType) or _is_known(thing):
            return NotImplemented
        cells = thing.__closure__ or ()
        parts = (marshal.dumps(thing.__code__), thing.__module__, len(cells))
        state = {
            "names": (thing.__name__, thing.__qualname__),
            "defaults": (thing.__defaults__, thing.__kwdefaults__),
            "attributes": dict(thing.__dict__),
            "cells": [cell.cell_contents for cell in cells],
        }
        return _make, parts, state, None, None, _fill


def _is_known(function: Any) -> bool:
    """Whether a function is found by its name in its module."""
    found: Any = sys.modules.get(function.__module__)
    for name in function.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is function


def _make(code: bytes, module: str, cells: int) -> FunctionType:
    loaded = sys.modules.get(module) or importlib.import_module(module)
    closure = tuple(CellType() for _ in range(cells))
    return FunctionType(marshal.loads(code), vars(loaded), closure=closure)  # noqa: S302 - as above


def _fill(function: Any, state: dict[str, Any]) -> None:
    function.__name__, function.__qualname__ = state["names"]
    function.__defaults__, function.__kwdefaults__ = state["defaults"]
    function.__dict__.update(state["attributes"])
    for cell, value in zip(function.__closure__ or (), state["cells"], strict=True):
        cell.cell_contents = value

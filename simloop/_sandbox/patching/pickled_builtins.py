"""Pickles of builtin functions that are answered in a run: by module and name, as always.

A builtin that is of an object, and of no module, is pickled as that object's attribute
(``meth_reduce`` in CPython's Objects/methodobject.c). Those that are asked without arguments are
of a function of ours meanwhile.

Owns: how :mod:`pickle` takes such functions. Must not know: what they are.
"""

from __future__ import annotations

import copyreg
import types
from typing import Any

from .registry import patch

__all__: list[str] = []


def _reduce(function: Any) -> Any:
    if type(function.__self__) is types.FunctionType:
        return function.__name__  # Of the module that it says it is of.
    return function.__reduce_ex__(2)


class _Reducer:
    def on(self) -> None:
        copyreg.dispatch_table.setdefault(types.BuiltinFunctionType, _reduce)

    def off(self) -> None:
        if copyreg.dispatch_table.get(types.BuiltinFunctionType) is _reduce:
            del copyreg.dispatch_table[types.BuiltinFunctionType]


patch(_Reducer())

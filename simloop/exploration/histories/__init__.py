"""Histories: what clients asked of a service and heard, and whether a correct one explains it.

Owns: the recording (:mod:`.history`), what a correct service does (:mod:`.models`), the search for
an order of the operations that explains what was heard (:mod:`.linearizability`), transactions on
lists and their cycles (:mod:`.list_append`, :mod:`.dependency_graph`), and what is told of a
history that nothing explains (:mod:`.verdict`, :mod:`.report`, :mod:`.anomaly_report`,
:mod:`.timeline`).

Must not know: runs, except for the time that a recorded operation is given.
"""

from __future__ import annotations

from .history import History, Operation
from .list_append import ListAppend
from .models import Call, Counter, KeyValue, Model, Mutex, Queue, Register, Set
from .verdict import Verdict

__all__ = [
    "Call",
    "Counter",
    "History",
    "KeyValue",
    "ListAppend",
    "Model",
    "Mutex",
    "Operation",
    "Queue",
    "Register",
    "Set",
    "Verdict",
]

"""The picture of a run: a trace as one page for a browser.

Owns: reading a trace (:func:`read`), the page (:func:`page`), whose style and script lie beside
this file, the page of two runs beside each other (:func:`pair_page`), the page of a finding, which
has two of them (:func:`finding_page`), the page of a sweep (:func:`sweep_page`), and sequence
diagrams (:func:`sequence_diagram`).

Must not know: how traces come about beyond their format; nothing of the engine is loaded for it.
"""

from __future__ import annotations

from ._finding import finding_page
from ._page import EDITORS, is_editor_address, page
from ._pair import pair_page
from ._picture import Message, Moment, Packet, Picture, Spell, Step, TraceError, Track, Wait
from ._reading import read
from ._sequence import sequence_diagram
from ._sweep import sweep_page

__all__ = [
    "EDITORS",
    "Message",
    "Moment",
    "Packet",
    "Picture",
    "Spell",
    "Step",
    "TraceError",
    "Track",
    "Wait",
    "finding_page",
    "is_editor_address",
    "page",
    "pair_page",
    "read",
    "sequence_diagram",
    "sweep_page",
]

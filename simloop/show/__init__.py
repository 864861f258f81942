"""The picture of a run: a trace as one page for a browser.

Owns: reading a trace (:func:`read`), the page (:func:`page`), whose style and script lie beside
this file, and the page of a finding, which has two of them (:func:`finding_page`).

Must not know: how traces come about beyond their format; nothing of the engine is loaded for it.
"""

from __future__ import annotations

from ._finding import finding_page
from ._page import page
from ._picture import Message, Picture, Step, TraceError, Track, Wait
from ._reading import read

__all__ = [
    "Message",
    "Picture",
    "Step",
    "TraceError",
    "Track",
    "Wait",
    "finding_page",
    "page",
    "read",
]

"""unittest.mock for code that awaits: asynctest's module ``mock``.

Owns: the names, and the two small helpers ``mock_open`` and ``return_once``. The classes are in
``_mocks.mock_classes`` (with ``awaiting``), autospec in ``_mocks.autospec``, patches in
``_mocks.patching`` and ``_mocks.scopes``.
"""

from __future__ import annotations

import unittest.mock
from typing import TYPE_CHECKING, Any

from ._mocks.autospec import create_autospec
from ._mocks.mock_classes import (
    AsyncMagicMixin,
    CoroutineMock,
    FakeInheritanceMeta,
    IsCoroutineArgMeta,
    MagicMock,
    Mock,
    MockMetaMixin,
    NonCallableMagicMock,
    NonCallableMock,
    async_magic_coroutines,
)
from ._mocks.patching import patch
from ._mocks.scopes import GLOBAL, LIMITED, PatchScope

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = [
    "ANY",
    "DEFAULT",
    "GLOBAL",
    "LIMITED",
    "AsyncMagicMixin",
    "CoroutineMock",
    "FakeInheritanceMeta",
    "IsCoroutineArgMeta",
    "MagicMock",
    "Mock",
    "MockMetaMixin",
    "NonCallableMagicMock",
    "NonCallableMock",
    "PatchScope",
    "PropertyMock",
    "async_magic_coroutines",
    "call",
    "create_autospec",
    "mock_open",
    "patch",
    "return_once",
    "sentinel",
]

ANY = unittest.mock.ANY
DEFAULT = unittest.mock.DEFAULT
PropertyMock = unittest.mock.PropertyMock
call: unittest.mock._Call = unittest.mock.call
sentinel: unittest.mock._Sentinel = unittest.mock.sentinel


def mock_open(mock: Any = None, read_data: Any = "") -> Any:
    """Create a mock to use in place of ``open``, called directly or as a context manager.

    Args:
        mock: The mock to set up; by default a ``MagicMock`` with the interface of ``open``.
        read_data: What the handle's ``read``, ``readline`` and ``readlines`` give.

    """
    if mock is None:
        mock = MagicMock(name="open", spec=open)
    return unittest.mock.mock_open(mock, read_data)


def return_once(value: Any, then: Any = None) -> Generator[Any, None, None]:
    """Give ``value`` once, and ``then`` ever after: for ``side_effect``.

    An exception type in either place is raised by the mock.

    >>> recv = Mock(side_effect=return_once(b"data", then=BlockingIOError))
    >>> recv()
    b'data'
    >>> recv()
    Traceback (most recent call last):
        ...
    BlockingIOError
    """
    yield value
    while True:
        yield then

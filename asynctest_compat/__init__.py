"""asynctest 0.13 for Python 3.11 and later, in virtual time.

``import asynctest_compat as asynctest`` replaces both ``import asynctest`` and ``import unittest``.
The modules are asynctest's: ``case``, ``mock``, ``selector``, ``helpers`` and ``_fail_on``; all
their names are here too. ``install()`` and the pytest plugin ``asynctest_compat.as_asynctest`` are
for suites whose imports can't be changed.

What asynctest did not have: ``choose_loop`` and ``TestCase.loop_factory``, ``time_limit``,
``Clock`` and ``frozen_clock``, and the checks ``unhandled_exceptions`` and ``pending_tasks``.
"""

# ruff: noqa: I001 - names that are imported "as" themselves would have a statement each
from __future__ import annotations

# asynctest's top level shows these modules, and suites reach through it ("asynctest.socket").
import asyncio
import collections
import contextlib
import difflib
import enum
import functools
import inspect
import logging
import pprint
import re
import selectors
import socket
import ssl
import sys
import traceback
import types  # noqa: TC003 - it is shown
import unittest
import warnings
from asyncio import TimerHandle
from typing import TYPE_CHECKING
from unittest import result
from unittest.case import DIFF_OMITTED
from unittest.util import safe_repr, strclass

if TYPE_CHECKING:
    # Of two imports of one name mypy believes the first: with a star, unittest's TestCase.
    from unittest import (
        IsolatedAsyncioTestCase as IsolatedAsyncioTestCase,
        SkipTest as SkipTest,
        TestLoader as TestLoader,
        TestResult as TestResult,
        TestSuite as TestSuite,
        TextTestResult as TextTestResult,
        TextTestRunner as TextTestRunner,
        addModuleCleanup as addModuleCleanup,
        defaultTestLoader as defaultTestLoader,
        doModuleCleanups as doModuleCleanups,
        enterModuleContext as enterModuleContext,
        expectedFailure as expectedFailure,
        installHandler as installHandler,
        main as main,
        registerResult as registerResult,
        removeHandler as removeHandler,
        removeResult as removeResult,
        skip as skip,
        skipIf as skipIf,
        skipUnless as skipUnless,
    )
else:
    from unittest import *  # noqa: F403  # everything of unittest, whatever this Python has

# "as", which says to type checkers that they are for users.
from . import (
    _fail_on as _fail_on,
    case as case,
    helpers as helpers,
    mock as mock,
    selector as selector,
)
from ._cases.case_loops import choose_loop as choose_loop
from ._cases.moved_clock import Clock as Clock, frozen_clock as frozen_clock
from ._cases.time_limits import TimeLimitError as TimeLimitError, time_limit as time_limit
from ._fail_on import DEFAULTS as DEFAULTS, fail_on as fail_on, lenient as lenient, strict as strict
from ._install import install as install
from ._removed import (  # type: ignore[assignment,unused-ignore]  # gone in 3.13
    findTestCases as findTestCases,
    getTestCaseNames as getTestCaseNames,
    makeSuite as makeSuite,
)
from .case import (
    ClockedTestCase as ClockedTestCase,
    FunctionTestCase as FunctionTestCase,
    TestCase as TestCase,
    ignore_loop as ignore_loop,
)
from .helpers import exhaust_callbacks as exhaust_callbacks
from .mock import *  # noqa: F403  # its __all__ is the one list of these names
from .selector import (
    FileDescriptor as FileDescriptor,
    FileMock as FileMock,
    SocketMock as SocketMock,
    SSLSocketMock as SSLSocketMock,
    TestSelector as TestSelector,
    fail_on_active_selector_callbacks as fail_on_active_selector_callbacks,
    fail_on_before_test_active_selector_callbacks as fail_on_before_test_active_selector_callbacks,
    fd as fd,
    get_registered_events as get_registered_events,
    isfilemock as isfilemock,
    set_read_ready as set_read_ready,
    set_write_ready as set_write_ready,
)

asynctest: types.ModuleType = sys.modules[__name__]

# As in asynctest: "from asynctest import *" gives unittest's names, and no mocks.
__all__ = unittest.__all__  # it is a list

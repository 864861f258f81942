"""Random programs of loop-level calls give here what they give on asyncio's own loop."""

from __future__ import annotations

import sys

import pytest

from . import endpoint_programs, process_programs, stream_programs
from .comparing import budget, search
from .endpoint_programs import Endpoints
from .process_programs import Processes
from .stream_programs import Streams

# Programs leave transports open, as both arms do.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


@pytest.mark.slow
@pytest.mark.skipif(
    sys.version_info[:2] == (3, 12), reason="its own writelines fails where a connection is lost"
)
def test_random_calls_on_streams_are_answered_as_by_asyncio(check_loop):
    """Readers, writers and transports of TCP, UNIX, TLS and pipes answer as asyncio's own."""
    search(stream_programs.programs(), budget(500), lambda each: check_loop(Streams, each))


@pytest.mark.slow
def test_random_calls_on_datagram_endpoints_are_answered_as_by_asyncio(check_loop):
    """Endpoints, their protocols and bare sockets under the loop's calls answer so, too."""
    search(endpoint_programs.programs(), budget(300), lambda each: check_loop(Endpoints, each))


@pytest.mark.slow
def test_random_calls_on_processes_are_answered_as_by_asyncio(check_loop):
    """A child and its pipes answer as a real one does."""
    search(process_programs.programs(), budget(200), lambda each: check_loop(Processes, each))

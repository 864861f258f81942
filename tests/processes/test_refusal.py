"""Child processes are refused."""

from __future__ import annotations

import asyncio

import pytest

import simloop


@pytest.mark.parametrize("start", [asyncio.create_subprocess_exec, asyncio.create_subprocess_shell])
def test_a_child_process_is_refused_with_the_way_out(start) -> None:
    """Starting a program is an error that names it, the reason and what to do."""
    with pytest.raises(simloop.UnsupportedError, match=r"'git'.*virtual time.*patch the call"):
        simloop.run(start("git"))

"""Sockets of the Internet families: the state of TCP and UDP, without a loop and without a clock.

Time is an argument, and what is to happen later is told to the fabric between the hosts.
"""

from __future__ import annotations

__all__: list[str] = []

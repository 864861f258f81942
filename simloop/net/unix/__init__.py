"""Sockets of the UNIX family: streams, packets and datagrams on one host, and their names."""

from __future__ import annotations

__all__: list[str] = []

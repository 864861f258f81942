"""Where things are: addresses, the table of names, the names of services, and who holds a port."""

from __future__ import annotations

__all__: list[str] = []

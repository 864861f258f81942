"""How a program asks: virtual ``socket.socket`` objects, descriptor calls, checks of arguments."""

from __future__ import annotations

__all__: list[str] = []

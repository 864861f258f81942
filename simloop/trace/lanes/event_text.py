"""How times, texts and endpoints stand in a trace event.

Owns: the forms. Must not know events.
"""

from __future__ import annotations

import functools
import json

__all__ = ["Endpoint", "microseconds", "quoted", "shown_endpoint"]

_QUOTED_MAX = 4096

Endpoint = tuple[str, int]


def microseconds(time_ns: int) -> str:
    """Write a time in microseconds, exactly.

    >>> microseconds(1_500), microseconds(2_000_000)
    ('1.500', '2000')
    """
    whole, rest = divmod(time_ns, 1000)
    return f"{whole}.{rest:03}" if rest else str(whole)


def shown_endpoint(endpoint: Endpoint) -> str:
    """Write an endpoint as people do.

    >>> shown_endpoint(("127.0.0.1", 80)), shown_endpoint(("::1", 80))
    ('127.0.0.1:80', '[::1]:80')
    >>> shown_endpoint(("/tmp/x", 0)), shown_endpoint(("", 0))
    ('/tmp/x', 'unnamed')
    """
    name, port = endpoint
    if port:
        return f"[{name}]:{port}" if ":" in name else f"{name}:{port}"
    return name.replace("\0", "@", 1) or "unnamed"


@functools.lru_cache(maxsize=_QUOTED_MAX)
def quoted(text: str) -> str:
    """Write a text as JSON; most come again and again."""
    return json.dumps(text)

"""asyncio's calls of I/O: readiness and selector, ``sock_*``, connecting, serving, TLS, files."""

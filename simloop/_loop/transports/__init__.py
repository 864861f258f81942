"""Transports: what carries bytes between a protocol and a virtual file."""

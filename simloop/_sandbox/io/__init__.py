"""Sockets, names, descriptors and the calls of the system that take them, inside a run."""

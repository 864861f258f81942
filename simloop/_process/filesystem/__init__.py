"""The calls of ``os`` on files, for a process whose host has a disk.

:mod:`.path_functions` take a path, :mod:`.descriptor_functions` a descriptor, and
:class:`~.file_system_calls.FileSystemCalls` is both, for one process.
"""

from __future__ import annotations

from .file_system_calls import FileSystemCalls

__all__ = ["FileSystemCalls"]

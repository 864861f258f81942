"""Files of a run that lie on a virtual disk: what ``os``, ``io`` and ``fcntl`` do with them.

Owns: sending those functions to the calls of the process, where its host has a disk. Nothing of
this is loaded before a world has one; from then on a run without one pays a look per call.

:mod:`.disk_functions` has the functions of ``os`` and ``fcntl``, :mod:`.file_objects` what ``open``
gives, :mod:`.own_openers` what opens files by itself and is refused, and
:mod:`.attached_databases` what SQL opens, :mod:`.descriptors_in_c` what libraries hand to C,
:mod:`.log_handlers` whose logging's handlers are,
:mod:`.real_files` what lies below a disk, and :mod:`.disk_tree` where UNIX sockets have their
paths. :mod:`.temporary_folder` finds that without a trial.
"""

from __future__ import annotations

from simloop._sandbox.patching.registry import registering
from simloop._sandbox.process.lock_calls import wake_lock_waiters

with registering():
    from . import (  # noqa: F401 - for what they register
        attached_databases,
        descriptors_in_c,
        disk_functions,
        file_objects,
        log_handlers,
        own_openers,
        temporary_folder,
    )

from .callers import calls_of_descriptors
from .disk_tree import DiskTree
from .log_handlers import remove_log_handlers
from .real_files import RealFiles, path_of_descriptor, real_cwd

__all__ = [
    "DiskTree",
    "RealFiles",
    "calls_of_descriptors",
    "path_of_descriptor",
    "real_cwd",
    "remove_log_handlers",
    "wake_lock_waiters",
]

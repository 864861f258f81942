"""The status of files and of their disk, as ``os`` gives it.

Owns: making ``os.stat_result`` and ``os.statvfs_result`` of what a disk knows.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

from simloop._kernel import NS_PER_SECOND, date_seconds
from simloop.disk.disk_errors import file_error

if TYPE_CHECKING:
    from simloop.disk import Disk
    from simloop.disk.inode import Inode

__all__ = ["limit_of", "status_of", "volume_status_of"]

_BLOCK = 4096
_SECTOR = 512  # The unit of st_blocks, whatever the device's is (stat(2)).
_VOLUME = 1 << 40
"""How large a disk without a capacity says that it is."""

_NAME_MAX = 255


def status_of(inode: Inode) -> os.stat_result:
    """Return what stat(2) tells of an inode."""
    times = inode.access_ns, inode.modify_ns, inode.change_ns
    further: dict[str, object] = {
        "st_blksize": _BLOCK,
        "st_blocks": _blocks_of(inode),
        "st_rdev": inode.rdev,
    }
    for name, time_ns in zip(("st_atime", "st_mtime", "st_ctime"), times, strict=True):
        further[name], further[f"{name}_ns"] = date_seconds(time_ns), time_ns
    return os.stat_result(
        (
            *(inode.mode, inode.number, inode.device, inode.links, inode.uid, inode.gid),
            *(inode.size, *(time_ns // NS_PER_SECOND for time_ns in times)),
        ),
        further,
    )


def _blocks_of(inode: Inode) -> int:
    if not inode.is_file:
        return _BLOCK // _SECTOR if inode.is_folder else 0
    if inode.contents.is_untouched:
        return -(-inode.size // _SECTOR)
    return sum(
        (-(-end // _BLOCK) - start // _BLOCK) * (_BLOCK // _SECTOR)
        for start, end in inode.contents.data_ranges()
    )


def volume_status_of(disk: Disk) -> os.statvfs_result:
    """Return what statvfs(3) tells of a disk."""
    capacity = disk.settings.capacity
    total = _VOLUME if capacity is None else capacity
    free = max(0, total - disk.used)
    numbers = (1 << 20, 1 << 20, 1 << 20)
    return os.statvfs_result(
        (_BLOCK, _BLOCK, total // _BLOCK, free // _BLOCK, free // _BLOCK, *numbers, 0, _NAME_MAX, 0)
    )


_LIMITS = {"PC_NAME_MAX": 255, "PC_PATH_MAX": 4096, "PC_LINK_MAX": 65000, "PC_PIPE_BUF": 4096}
"""What ext4 says (include/linux/limits.h, fs/ext4/ext4.h)."""


def limit_of(name: Any) -> int:
    """Return a limit of the file system, by its name or number in ``os.pathconf_names``."""
    for known, value in _LIMITS.items():
        if name in (known, os.pathconf_names.get(known)):
            return value
    raise file_error(errno.EINVAL)

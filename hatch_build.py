"""Where the project is: the addresses of ``[project.urls]``, by the repository that builds.

Owns: the addresses. They are known where the release is built, which names the repository in
``SIMLOOP_REPOSITORY``; a build elsewhere has none rather than a wrong one.
"""

from __future__ import annotations

import os

from hatchling.metadata.plugin.interface import MetadataHookInterface

__all__ = ["Addresses"]


class Addresses(MetadataHookInterface):
    """A hook of hatchling's, which it finds by the name of this file."""

    def update(self, metadata: dict[str, object]) -> None:
        """Set the addresses."""
        repository = os.environ.get("SIMLOOP_REPOSITORY", "").rstrip("/")
        pages = {
            "Source": "",
            "Documentation": "/tree/main/docs",
            "Changelog": "/blob/main/CHANGELOG.md",
            "Issues": "/issues",
        }
        metadata["urls"] = {name: repository + page for name, page in pages.items() if repository}

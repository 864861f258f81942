"""What the build of a release finds out: where the project is, and the accelerator.

Owns: the addresses of ``[project.urls]``, by the repository that builds. They are known where the
release is built, which names the repository in ``SIMLOOP_REPOSITORY``; a build elsewhere has none
rather than a wrong one. And whether a wheel is accelerated: only if ``SIMLOOP_SPEED=1`` asks for
it, so that one pure wheel, ``py3-none-any``, is what everybody gets by default.
"""

from __future__ import annotations

import os
import runpy
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

__all__ = ["Accelerator", "Addresses"]


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


class Accelerator(BuildHookInterface[Any]):
    """Another one: puts the extension in C into the wheel, if that was asked for and can be."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build it, and let the wheel be one for this Python and this platform."""
        if os.environ.get("SIMLOOP_SPEED") != "1":
            return
        script = runpy.run_path(str(Path(self.root) / "build_accelerator.py"))
        is_in_place = version == "editable"
        self._folder = tempfile.TemporaryDirectory()
        built = script["build"](script["SOURCES"] if is_in_place else Path(self._folder.name))
        if built is None or is_in_place:
            return
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        build_data["force_include"][str(built)] = f"simloop/_speed/{built.name}"

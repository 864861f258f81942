"""How the documentation is built: Sphinx, pages in MyST's Markdown, the theme furo.

Owns: the settings. Run from the project's folder::

    sphinx-build -W --keep-going docs site

Nothing here asks the network, so that the same tree gives the same pages. A reference to a name of
ours that leads nowhere is a warning, and warnings are errors; names of Python and of other
packages are not linked.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

if TYPE_CHECKING:
    from sphinx.application import Sphinx

# The docstrings of this tree, whatever is installed.
sys.path.insert(0, str(Path(__file__).parents[1]))

from simloop import __version__

project = "simloop"
author = "The simloop authors"
copyright = "The simloop authors, Apache License 2.0"  # noqa: A001 - Sphinx's name for it
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
exclude_patterns = ["tables"]
nitpicky = True
nitpick_ignore_regex = [
    # No spaces: napoleon takes what stands before a colon in an attribute's docstring for a type.
    (r"py:.*", r"(?!simloop|asynctest_compat)[\w.]+"),
    # Attributes of the loop that lie in its parts, and internal classes in signatures.
    (
        r"py:.*",
        r"simloop\._.*|simloop\.(net|trace|world|exploration)\..*|simloop\.show\._.*|.*\._\w+|.*\.[A-Z]",
    ),
]

myst_enable_extensions = ["deflist", "fieldlist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
# The adapters are documented without the simulators that they adapt to.
autodoc_mock_imports = ["cocotb", "gymnasium", "mosaik_api_v3", "salabim", "simpy", "trio"]
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True

copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

html_theme = "furo"
html_title = "simloop"
html_show_sourcelink = html_copy_source = False
html_static_path = ["_static"]
html_css_files = ["simloop.css"]
html_theme_options = {
    "sidebar_hide_name": False,
    "light_css_variables": {"color-brand-primary": "#0b6e6e", "color-brand-content": "#0b6e6e"},
    "dark_css_variables": {"color-brand-primary": "#5cc8c0", "color-brand-content": "#5cc8c0"},
}


class CommandHelp(SphinxDirective):
    """What ``simloop [COMMAND] --help`` prints, so that the page cannot differ from it."""

    optional_arguments = 2  # A command, and an action of it.

    def run(self) -> list[nodes.Node]:
        """Return a literal block with the help."""
        line = [sys.executable, "-m", "simloop", *self.arguments, "--help"]
        root = Path(__file__).parents[1]
        env = {**os.environ, "COLUMNS": "88", "NO_COLOR": "1"}
        done = subprocess.run(line, cwd=root, env=env, capture_output=True, text=True, check=True)  # noqa: S603 - our own command
        return [nodes.literal_block(done.stdout, done.stdout, language="text")]


def setup(app: Sphinx) -> None:
    """Register what only these pages use."""
    app.add_directive("command-help", CommandHelp)

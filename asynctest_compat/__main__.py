"""``python -m asynctest_compat``: unittest's runner for suites that import ``asynctest``.

Takes the options of ``python -m unittest``, and before them ``--loop`` and ``--removed-names``.
"""

from __future__ import annotations

import argparse
import sys
import unittest

from asynctest_compat._install import install


def _main() -> None:
    parser = argparse.ArgumentParser(prog="python -m asynctest_compat", add_help=False)
    parser.add_argument("--loop")
    parser.add_argument("--removed-names", action="store_true")
    options, rest = parser.parse_known_args()
    try:
        install(removed_names=options.removed_names, loop=options.loop)
    except ValueError as error:
        parser.error(f"--loop: {error}")
    sys.path.insert(0, "")
    unittest.main(module=None, argv=[parser.prog, *rest])


if __name__ == "__main__":
    _main()

"""``python -m asynctest_compat``: unittest's runner for suites that import ``asynctest``.

Takes the options of ``python -m unittest``, and ``--loop`` and ``--removed-names`` with them.
"""

from __future__ import annotations

import argparse
import sys
import unittest

from asynctest_compat._install import install


def _main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m asynctest_compat",
        description="Run a suite that imports asynctest. Options, beside those of unittest below:",
        add_help=False,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--loop",
        metavar="virtual|stock|MODULE:FACTORY",
        help="the loop of all tests that choose none (default: virtual)",
    )
    parser.add_argument(
        "--removed-names",
        action="store_true",
        help="put back what Python removed since: asyncio.coroutine, loop= arguments,"
        " assertEquals ...",
    )
    options, rest = parser.parse_known_args()
    if "-h" in rest or "--help" in rest:
        parser.print_help()
    try:
        install(removed_names=options.removed_names, loop=options.loop)
    except ValueError as error:
        parser.error(f"--loop: {error}")
    sys.path.insert(0, "")
    unittest.main(module=None, argv=[parser.prog, *rest])


if __name__ == "__main__":
    _main()

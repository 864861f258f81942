"""Whether the types of our packages are complete, as pyright sees an installed package.

    python .ci/typed.py simloop asynctest_compat

Needs pyright, and the packages installed beside it. Lists each public name whose type is not known
or is only inferred, but for those that nothing of ours can help. An exception that is not needed
any more fails too.
"""

from __future__ import annotations

import json
import subprocess
import sys

# What is found -> why it is not ours to mend.
EXCUSED = {
    ("asynctest_compat", "Type of metaclass unknown"): (
        "typeshed lets unittest.mock's classes inherit from Any, and so every mock of ours."
    ),
    ("asynctest_compat", 'Type of base class "'): "The same, one class further down.",
}


def findings(package: str) -> list[tuple[str, str]]:
    """Return each name with an error, and what pyright says of it."""
    line = ["pyright", "--verifytypes", package, "--ignoreexternal", "--outputjson"]
    # From a folder without our files: what is looked at is what is installed.
    done = subprocess.run(line, cwd="/", capture_output=True, text=True, check=False)  # noqa: S603
    told = json.loads(done.stdout)["typeCompleteness"]
    if not told["symbols"]:
        return [(package, "pyright finds no types in it: is it installed, with its py.typed?")]
    return [
        (symbol["name"], found["message"])
        for symbol in told["symbols"]
        for found in symbol["diagnostics"]
        if found["severity"] == "error"
    ]


def excuse(package: str, message: str) -> tuple[str, str] | None:
    """Return the exception that a finding falls under, if there is one."""
    return next((key for key in EXCUSED if key[0] == package and message.startswith(key[1])), None)


def main(packages: list[str]) -> int:
    """Print what is wrong, and return the status."""
    used, wrong = {}, 0
    for package in packages:
        for name, message in findings(package):
            key = excuse(package, message)
            if key is None:
                print(f"{name}: {message}")
                wrong += 1
            used[key] = name
    for key in EXCUSED:
        if key not in used:
            print(f"the exception {key} excuses nothing any more")
            wrong += 1
    print(f"{wrong} findings in {', '.join(packages)}")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

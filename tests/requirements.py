"""What some tests need from the machine: without it they are skipped, and never unnoticed."""

import os
import shutil

import pytest

_ALSO_IN = ("/usr/local/sbin", "/usr/sbin", "/sbin")


def find_program(name: str) -> str | None:
    """Return where a program is, None where it is not installed."""
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *_ALSO_IN]))


def require_program(name: str) -> str:
    """Return where a program is; skip the test that needs it where it is not installed.

    With OPSLORE_REQUIRE_ALL=1, as in `.ci/run`, the test fails instead.
    """
    found = find_program(name)
    if found is not None:
        return found
    reason = f"{name} is not installed"
    if os.environ.get("OPSLORE_REQUIRE_ALL") == "1":
        pytest.fail(f"{reason}, and OPSLORE_REQUIRE_ALL=1 wants every test to run", pytrace=False)
    pytest.skip(reason)

"""Counts checks, and prints the sum as tests/run reads it."""

import sys
import time
import traceback


class Checks:
    def __init__(self):
        self.passed = self.failed = 0

    def check(self, passed, description):
        print("ok" if passed else "FAILED", description, flush=True)
        self.passed += bool(passed)
        self.failed += not passed

    def run(self, function, *arguments):
        """Runs a function as one check: it fails by raising, and what it returns is printed."""
        start, result, passed = time.monotonic(), None, True
        try:
            result = function(*arguments)
        except Exception:
            passed = False
            traceback.print_exc()
        name = function.__name__.replace("_", " ")
        self.check(passed, f"{name} ({time.monotonic() - start:.1f} s) {result or ''}")

    def finish(self):
        """Prints the sum as the last line, and exits with 1 if a check failed."""
        print(f"{self.passed} passed, {self.failed} failed")
        sys.exit(self.failed > 0)


def run_checks(*functions):
    """Runs each function as one check, or only those that the command line names."""
    checks, wanted = Checks(), sys.argv[1:]
    for function in functions:
        if not wanted or function.__name__ in wanted:
            checks.run(function)
    checks.finish()

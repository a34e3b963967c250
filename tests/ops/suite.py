"""Runs tests and prints the sum as tests/run reads it."""

import sys
import time
import traceback


def run(*tests):
    """Tests are functions without arguments; what one returns is shown beside its name."""
    wanted = sys.argv[1:]
    passed = failed = 0
    for test in tests:
        if wanted and test.__name__ not in wanted:
            continue
        start = time.monotonic()
        try:
            found = test()
            passed += 1
            print(f"ok {test.__name__} ({time.monotonic() - start:.1f} s) {found or ''}", flush=True)
        except Exception:
            failed += 1
            traceback.print_exc()
            print(f"FAILED {test.__name__}", flush=True)
    print(f"{passed} passed, {failed} failed")
    raise SystemExit(failed != 0)

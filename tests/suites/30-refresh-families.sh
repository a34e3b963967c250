#!/usr/bin/env bash
# Concurrent refreshes and lost answers: the short form of tests/load/refresh_families.py.
source "$(dirname "$0")/../support/setup.sh"
build_binaries
exec python3 -B tests/load/refresh_families.py

#!/usr/bin/env bash
# Slow clients are disconnected: the short form of tests/load/slow.py, with longer limits, since the
# machine may be busy with something else.
source "$(dirname "$0")/../support/setup.sh"
build_binaries
exec env CLIENTS=200 TIMES=off python3 -B tests/load/slow.py

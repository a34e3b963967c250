#!/usr/bin/env bash
# Malformed requests: the short form of tests/load/malformed.py, without its limit of time, which means
# nothing on a machine that is busy with something else.
source "$(dirname "$0")/../support/setup.sh"
build_binaries
exec env REQUESTS=2000 TIMES=off python3 -B tests/load/malformed.py

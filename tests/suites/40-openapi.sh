#!/usr/bin/env bash
# Checks both services against their OpenAPI documents; FULL=1 tries 200 examples an operation.
source "$(dirname "$0")/../support/setup.sh"
build_binaries
exec python3 -B tests/openapi/check.py

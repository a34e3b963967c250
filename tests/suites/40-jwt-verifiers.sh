#!/usr/bin/env bash
# Verifies access tokens with PyJWT and jose, by the published keys.
source "$(dirname "$0")/../support/setup.sh"
build_binaries
install_node_packages tests
exec python3 -B tests/verifiers/check.py

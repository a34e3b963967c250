#!/usr/bin/env bash
# Runs every example against the services.
source "$(dirname "$0")/../support/setup.sh"
build_binaries
cargo build --quiet --example rust
install_package jq jq
install_node_packages examples/typescript
exec python3 -B tests/examples/check.py

#!/usr/bin/env bash
# Composes both schemas into one graph, and queries both services through a real gateway.
source "$(dirname "$0")/../support/setup.sh"
build_binaries
install_node_packages tests
exec node tests/federation/check.mjs

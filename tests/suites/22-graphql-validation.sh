#!/usr/bin/env bash
# Compares the verdict of both services on 5,000 random documents with that of npm's graphql, the reference
# implementation. SEED and DOCUMENTS choose others.
source "$(dirname "$0")/../support/setup.sh"
build_binaries
install_node_packages tests
exec node tests/graphql/validation.mjs

#!/usr/bin/env bash
# 200 subscribers receive each of 500 offers exactly once. On SQLite, or on DATABASE_URL.
source "$(dirname "$0")/../support/setup.sh"
build_binaries
install_node_packages tests
exec node tests/graphql/subscribers.mjs

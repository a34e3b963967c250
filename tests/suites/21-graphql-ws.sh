#!/usr/bin/env bash
# Checks the rules of graphql-transport-ws on both services, with npm's ws and graphql-ws as clients.
source "$(dirname "$0")/../support/setup.sh"
build_binaries
install_node_packages tests
exec node tests/graphql/ws.mjs

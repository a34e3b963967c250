#!/usr/bin/env bash
# Runs the GraphQL over HTTP audit of npm's graphql-http against both services: every audit must pass.
source "$(dirname "$0")/../support/setup.sh"
build_binaries
install_node_packages tests
exec node tests/graphql/http.mjs

#!/usr/bin/env bash
# Runs the GraphQL over HTTP audit of npm's graphql-http against both services and the example of the crate
# graphql-http: every audit must pass. Prints the score of the stock endpoint, async-graphql-axum, beside it.
source "$(dirname "$0")/../support/setup.sh"
build_binaries
cargo build --quiet --package graphql-http --example server
install_node_packages tests
exec node tests/graphql/http.mjs "$target/debug/examples/server"

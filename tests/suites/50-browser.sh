#!/usr/bin/env bash
# Opens the pages of both services over HTTPS in a browser that can reach no other host.
source "$(dirname "$0")/../support/setup.sh"
install_package chromium chromium fonts-dejavu-core
build_binaries
install_node_packages tests
exec node tests/browser/check.mjs

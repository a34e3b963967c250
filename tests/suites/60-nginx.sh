#!/usr/bin/env bash
# Puts nginx, configured as in the containers, in front of two instances of each service.
source "$(dirname "$0")/../support/setup.sh"
install_package nginx nginx-light
build_binaries
exec python3 -B tests/ops/nginx.py

#!/usr/bin/env bash
# Checks the format of /metrics, and that the dashboard and the alert rules name existing metrics.
source "$(dirname "$0")/../support/setup.sh"
if ! command -v promtool >/dev/null; then
    # Unpacked and not installed: Debian's package would start a server.
    folder=$target/prometheus
    if [[ ! -x $folder/usr/bin/promtool ]]; then
        mkdir -p "$folder"
        (cd "$folder" && apt-get download -qq prometheus >/dev/null && dpkg-deb -x prometheus_*.deb .)
        rm "$folder"/prometheus_*.deb
    fi
    PATH=$PATH:$folder/usr/bin
fi
build_binaries
exec python3 -B tests/ops/metrics.py

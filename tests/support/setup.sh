# Sourced by tests/run and by the scripts in tests/suites: goes to the root of the repository, sets
# `target`, and defines the functions that install and build what a suite needs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")

# Builds the binaries that the suites start.
build_binaries() { cargo build --quiet --workspace --bins; }

# Installs Debian packages unless the command is there already.
install_package() { # command, packages
    if command -v "$1" >/dev/null || compgen -G "/usr/lib/postgresql/*/bin/$1" >/dev/null; then return; fi
    local root=()
    if [[ $(id -u) != 0 ]]; then root=(sudo -n); fi
    local install=("${root[@]}" apt-get install -y -qq --no-install-recommends "${@:2}")
    if ! "${install[@]}" >/dev/null 2>&1 &&
        ! { "${root[@]}" apt-get update -qq && "${install[@]}"; } >/dev/null; then
        echo "$1 is missing, and these packages cannot be installed: ${*:2}" >&2
        return 1
    fi
}

# Installs the Node packages of a folder, as its lock file says.
install_node_packages() { npm ci --prefix "$1" --cache "$target/npm" --silent; }

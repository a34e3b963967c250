#!/usr/bin/env bash
# Checks dependencies for known vulnerabilities, licences and origins, as deny.toml says. Vulnerabilities
# are looked up in RustSec's database; if that cannot be fetched, a line says that they were skipped.
source "$(dirname "$0")/../support/setup.sh"

if ! cargo deny --version >/dev/null 2>&1; then
    cargo install cargo-deny --locked --quiet --root "$target/tools"
    PATH=$target/tools/bin:$PATH
fi

passed=0
failed=0
check() {
    echo "$1"
    if cargo deny --log-level error check "$1"; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
}
for name in bans licenses sources; do check "$name"; done
if cargo deny fetch db; then
    check advisories
else
    echo "advisories: skipped, their database cannot be fetched"
fi
echo "$passed passed, $failed failed"
[[ $failed == 0 ]]

#!/usr/bin/env bash
# Measures the services with 10,000 users and with 1,000,000 users (LARGE) of 10 offers each, and a
# page in the middle of a user with 100,000 offers; prints the plan of every statement of the hot
# routes. Uses the binaries that `bench/run` has built; needs some 4 GB of disk and of memory, and
# about three minutes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
users=10000 large=${LARGE:-1000000}
target=$(cargo metadata --no-deps --format-version 1 | sed -E 's/.*"target_directory":"([^"]*)".*/\1/')
binaries=$target/release
work=$(mktemp -d "${TMPDIR:-/tmp}/bench.XXXXXX")
chmod 755 "$work"
clean_up() {
    for name in small large; do tests/postgres stop "$work/$name" 2>/dev/null || true; done
    rm -rf "$work"
}
trap clean_up EXIT
bin=$(pg_config --bindir)
owner=()
if [[ $(id -u) == 0 ]]; then owner=(runuser -u postgres --); fi
start_postgres() { # name
    tests/postgres start "$work/$1"
    printf 'shared_buffers = 4GB\nmax_wal_size = 4GB\n' >>"$work/$1/data/postgresql.conf"
    (cd / && "${owner[@]}" "$bin/pg_ctl" --pgdata="$work/$1/data" --log="$work/$1/log" --wait restart) >/dev/null
}

small_url=$(start_postgres small)
large_url=$(start_postgres large)
DATABASE_URL=$small_url "$binaries/classifieds" seed --users "$users" --offers 10
DATABASE_URL=$large_url "$binaries/classifieds" seed --users "$large" --offers 10
# The first user gets enough offers for a page in the middle.
DATABASE_URL=$large_url "$binaries/classifieds" seed --users 1 --offers 100000
for url in "$small_url" "$large_url"; do
    "$bin/vacuumdb" --quiet --analyze --dbname "$url"
    # Loads the tables into memory, as on a server that has run for a while.
    "$bin/psql" --quiet "$url" --output /dev/null --command "CREATE EXTENSION pg_prewarm" --command \
        "SELECT pg_prewarm(oid) FROM pg_class WHERE relkind IN ('r', 'i') AND relname ~ '^(users|offers)'"
done
run_sql() { "$bin/psql" --quiet --tuples-only --no-align "$large_url" --command "$1"; }
middle=$(run_sql "SELECT id FROM offers WHERE user_id = 1 ORDER BY id OFFSET 50000 LIMIT 1")

# One of the references needs an SQLite file.
mkdir "$work/sqlite"
DATABASE_URL="sqlite://$work/sqlite/rows.db?mode=rwc" "$binaries/classifieds" seed --users 1 --offers 1
for group in "number of users" "100,000 offers"; do
    "$binaries/bench" measure --database-url "$small_url" --data "$work/small/data" --users "$users" \
        --sqlite "$work/sqlite/rows.db" --large-database-url "$large_url" --large-users "$large" \
        --middle "$middle" --out "$work/report" --only "$group" "$@"
done

# Sends every statement of the hot routes once; the server logs the plans.
printf "session_preload_libraries = 'auto_explain'\nauto_explain.log_min_duration = 0\n" \
    >>"$work/large/data/postgresql.conf"
run_sql "SELECT pg_reload_conf()" >/dev/null
read_address() { sed -nE "s|^$1 http://||p" "$work/$1" | head -n 1; }
start_service() { # name, settings
    env DATABASE_URL="$large_url" HTTP_ADDR=127.0.0.1:0 SECURITY=spec JWT_KEY_DIR="$work/keys" \
        "${@:2}" "$binaries/$1" >"$work/$1" 2>/dev/null &
    pids+=($!)
    until [[ -n $(read_address "$1") ]]; do sleep 0.05; done
}
pids=()
start_service offers-api
start_service users-api OFFERS_URL="http://$(read_address offers-api)"
request() { curl --silent --fail --output /dev/null "$@"; }
user=http://$(read_address users-api) offer=http://$(read_address offers-api)
request "$user/user/5/"
request "$user/user/demo7/"
request "$user/user/?limit=100&after=500000"
request --json '{"username": "demo5", "password": "demo"}' "$user/user/auth/"
request --json '{"query": "{ users(first: 20) { nodes { id offersConnection(first: 5) { nodes { id } } } } }"}' "$user/graphql"
request --json '{"user_id": 1}' "$offer/offer/?limit=100&after=$middle"
request --json '{"offer_id": 77}' "$offer/offer/"
request --json '{"user_id": 9, "title": "Bicycle", "text": "Blue."}' "$offer/offer/create/"
kill "${pids[@]}"
wait "${pids[@]}" || true
plans=$work/large/log
grep -oE '(Index[A-Za-z ]*|Seq|Bitmap[A-Za-z ]*) Scan( Backward)?( using [a-z_]+)? on [a-z_]+|Insert on [a-z_]+' "$plans" |
    sort | uniq -c
if grep -qE 'Seq Scan on (users|offers)' "$plans"; then
    echo "a statement reads a whole table:" && grep -EB 12 'Seq Scan on (users|offers)' "$plans" | head -n 40
    exit 1
fi

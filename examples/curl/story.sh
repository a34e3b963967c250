#!/usr/bin/env bash
# Register, log in, offer, read back, and see what is new: with curl.
set -euo pipefail
users=${USERS_URL:-http://127.0.0.1:8001}
offers=${OFFERS_URL:-http://127.0.0.1:8002}
name=story-$RANDOM$RANDOM

# POST with a JSON body; a failure shows the problem that the service tells.
post() { curl --silent --show-error --fail-with-body --json "$2" "${@:3}" "$1"; }

post "$users/user/registry/" "$(jq -n --arg name "$name" \
  '{username: $name, password: "7 quiet herons", email: "\($name)@example.org"}')" >/dev/null
echo "registered $name"

session=$(post "$users/user/auth/" "{\"username\": \"$name\", \"password\": \"7 quiet herons\"}")
user=$(jq .user_id <<<"$session")
token=$(jq --raw-output .access_token <<<"$session")
echo "logged in as user $user"

offer() {
  post "$offers/offer/create/" "$(jq -n --argjson user "$user" --arg title "$1" \
    '{user_id: $user, title: $title, text: "As good as new."}')" --oauth2-bearer "$token"
}
bicycle=$(offer Bicycle | jq .id)
echo "offered a bicycle"

titles=$(curl --silent --show-error --fail "$users/user/$user/" | jq --raw-output '[.offers[].title] | join(", ")')
echo "read back: $titles"

# curl speaks no WebSocket, so it asks what has come since the newest offer that it knows.
offer Lamp >/dev/null
new=$(post "$offers/offer/?after=$bicycle" "{\"user_id\": $user}" | jq --raw-output '.[].title')
echo "heard of: $new"

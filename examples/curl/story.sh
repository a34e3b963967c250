#!/usr/bin/env bash
# Registers, logs in, creates an offer, reads it, and polls for a new one: with curl.
set -euo pipefail
users=${USERS_URL:-http://127.0.0.1:8001}
offers=${OFFERS_URL:-http://127.0.0.1:8002}
name=story-$RANDOM$RANDOM

# Sends a JSON body by POST; a failure prints the problem details of the service.
post() { curl --silent --show-error --fail-with-body --json "$2" "${@:3}" "$1"; }

post "$users/user/registry/" "$(jq -n --arg name "$name" \
  '{username: $name, password: "7 quiet herons", email: "\($name)@example.org"}')" >/dev/null
echo "registered $name"

session=$(post "$users/user/auth/" "{\"username\": \"$name\", \"password\": \"7 quiet herons\"}")
user=$(jq .user_id <<<"$session")
token=$(jq --raw-output .access_token <<<"$session")
echo "logged in as user $user"

create_offer() {
  post "$offers/offer/create/" "$(jq -n --argjson user "$user" --arg title "$1" \
    '{user_id: $user, title: $title, text: "As good as new."}')" --oauth2-bearer "$token"
}
bicycle=$(create_offer Bicycle | jq .id)
echo "created an offer: Bicycle"

titles=$(curl --silent --show-error --fail "$users/user/$user/" | jq --raw-output '[.offers[].title] | join(", ")')
echo "read: $titles"

# curl cannot subscribe over WebSocket, so it asks for offers after the newest that it knows.
create_offer Lamp >/dev/null
new=$(post "$offers/offer/?after=$bicycle" "{\"user_id\": $user}" | jq --raw-output '.[].title')
echo "received: $new"

#!/bin/bash
# Creates the secrets, which must not be in an image or a repository: a certificate authority, the
# certificates that it signs, and the database passwords. Existing secrets are kept, so it is safe to
# run at every start; certificates are valid for a year and renewed after 300 days. Each folder is
# mounted in one other container, except for the first:
#   /setup/authority     the authority
#   /setup/nginx         the certificate for browsers
#   /setup/users-api     the certificate of the service, for nginx and the other service, and its
#   /setup/offers-api    database password, as libpq's .pgpass
#   /setup/migration     the password of the owner of the tables
#   /setup/postgres      the certificate of the database and all passwords
set -euo pipefail
umask 077
cd /setup
read -ra names <<<"${NAMES:-}"
user=classifieds

create_password() { # role, folder of the container that logs in as it
    local password=postgres/$1.password
    if [[ ! -s $password ]]; then
        od -An -N 24 -t x1 /dev/urandom | tr -d ' \n' >"$password.new"
        mv "$password.new" "$password"
    fi
    if [[ $# == 2 ]]; then
        echo "*:*:*:*:$(<"$password")" >"$2/pgpass.new"
        chown $user "$2" "$2/pgpass.new"
        mv "$2/pgpass.new" "$2/pgpass"
    fi
}
create_password postgres
create_password classifieds migration
create_password users_api users-api
create_password offers_api offers-api

# The authority may sign for these names alone, and for a year, as its certificates. It keeps its key, so
# that running clients need no new one.
if [[ -z $(find authority/ca.pem -mtime -300 2>/dev/null) ]]; then
    rm -f authority/ca.pem
    options=()
    for name in "${names[@]}" users-api offers-api postgres; do options+=(--name "$name"); done
    certs authority "${options[@]}"
fi

issue_certificate() { # folder, owner, names
    local folder=$1 owner=$2 options=()
    if [[ -n $(find "$folder/server.pem" -mtime -300 2>/dev/null) ]]; then return; fi
    for name in "${@:3}"; do options+=(--name "$name"); done
    certs authority "${options[@]}"
    # The key first: a service reloads both when either has changed, and keeps the old pair until the
    # two match.
    mv authority/server.key authority/server.pem "$folder/"
    chown "$owner" "$folder"/server.*
}
issue_certificate nginx root "${names[@]}"
issue_certificate users-api $user users-api
issue_certificate offers-api $user offers-api
issue_certificate postgres root postgres
for folder in nginx users-api offers-api migration; do
    install --mode 644 authority/ca.pem $folder/
done

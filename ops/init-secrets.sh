#!/bin/bash
# Creates the secrets, which must not be in an image or a repository: the database password, a
# certificate authority and the certificates that it signs. Existing secrets are kept, so it is safe
# to run at every start; certificates are valid for a year and renewed after 300 days.
#   /setup/authority          the authority, mounted in this container only
#   /setup/edge               the certificate of nginx, for browsers
#   /setup/inside             the certificate of the services, for each other and nginx
#   /setup/database-server    the password, for PostgreSQL
#   /setup/database-client    the password, for the services, as libpq's .pgpass
set -euo pipefail
umask 077
cd /setup
read -ra names <<<"${NAMES:-}"
user=classifieds

password=database-server/password
if [[ ! -s $password ]]; then
    od -An -N 24 -t x1 /dev/urandom | tr -d ' \n' >$password.new
    mv $password.new $password
fi
echo "*:*:*:*:$(<$password)" >database-client/pgpass.new
chown $user database-client database-client/pgpass.new
mv database-client/pgpass.new database-client/pgpass

issue_certificate() { # folder, owner, names
    local folder=$1 owner=$2 options=()
    if [[ -n $(find "$folder/server.pem" -mtime -300 2>/dev/null) ]]; then return; fi
    for name in "${@:3}"; do options+=(--name "$name"); done
    certs authority "${options[@]}"
    # The key first: a service reloads both when either has changed, and keeps the old pair until the
    # two match.
    mv authority/server.key authority/server.pem "$folder/"
    cp authority/ca.pem "$folder/"
    chown -R "$owner" "$folder"
    chmod 755 "$folder"
}
issue_certificate edge root "${names[@]}"
issue_certificate inside $user users-api offers-api

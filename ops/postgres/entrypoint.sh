#!/bin/bash
# Starts PostgreSQL with TLS. Its user differs between images, and must own its private key.
set -euo pipefail
install --directory --owner postgres --mode 700 /run/secrets
install --owner postgres --mode 600 /setup/* /run/secrets/
exec docker-entrypoint.sh postgres -c max_connections=200 -c hba_file=/etc/classifieds/pg_hba.conf \
    -c ssl=on -c ssl_cert_file=/run/secrets/server.pem -c ssl_key_file=/run/secrets/server.key

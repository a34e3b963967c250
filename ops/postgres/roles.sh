#!/bin/bash
# Creates the database with its owner, and the roles of the services, to which `migration up` grants
# their rights. PostgreSQL runs it in a new volume.
set -euo pipefail
read_password() { cat "/run/secrets/$1.password"; }
psql --quiet --set ON_ERROR_STOP=1 --username postgres <<SQL
CREATE ROLE classifieds LOGIN PASSWORD '$(read_password classifieds)';
CREATE ROLE users_api LOGIN PASSWORD '$(read_password users_api)';
CREATE ROLE offers_api LOGIN PASSWORD '$(read_password offers_api)';
CREATE DATABASE classifieds OWNER classifieds;
REVOKE ALL ON DATABASE classifieds FROM PUBLIC;
GRANT CONNECT ON DATABASE classifieds TO users_api, offers_api;
SQL

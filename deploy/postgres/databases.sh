#!/bin/sh
# Runs once, while a new cluster is made: gives each service a role and a database that no other
# service's role may enter. Names and passwords are those in the services' own database URLs, so
# that each password is kept in one place only.
set -eu

create() {
    url=$(cat "$1")
    rest=${url#*://}
    account=${rest%%@*}
    case $account in
    *%* | :* | *: | *:*:*) broken=yes ;;
    *:*) broken= ;;
    *) broken=yes ;;
    esac
    if [ -n "$broken" ]; then
        echo "$1: expected ...://ROLE:PASSWORD@HOST/DATABASE with none of % : @ in the password" >&2
        exit 1
    fi
    # By the environment, since arguments can be read by every process.
    ROLE=${account%%:*} PASSWORD=${account#*:} DATABASE=${rest##*/} run <<'SQL'
\getenv role ROLE
\getenv password PASSWORD
\getenv database DATABASE
CREATE ROLE :"role" LOGIN PASSWORD :'password';
CREATE DATABASE :"database" OWNER :"role" TEMPLATE template0;
REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
SQL
}

run() {
    psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres
}

create "$GPUAAS_AUTH_DATABASE_URL_FILE"
create "$GPUAAS_JOB_DATABASE_URL_FILE"
create "$GPUAAS_SCHEDULER_DATABASE_URL_FILE"
run <<'SQL'
REVOKE ALL ON DATABASE postgres FROM PUBLIC;
REVOKE ALL ON DATABASE template1 FROM PUBLIC;
SQL

#!/bin/sh
# Makes the secrets that docker-compose.yml hands to its containers, one file each, at random.
# Usage: deploy/make-secrets.sh [FOLDER]      (default: deploy/secrets)
# A secret that exists is kept, so a second run changes nothing.
set -eu

folder=${1:-$(dirname "$0")/secrets}

# Only its owner enters the folder. The files themselves are readable by all: compose mounts each
# one as it is, and the users inside the containers are not the one who runs this.
mkdir -p "$folder"
chmod 700 "$folder"

random() {
    od -An -N24 -tx1 /dev/urandom | tr -d ' \n'
}

keep() {
    [ -e "$folder/$1" ] && return
    printf %s "$2" >"$folder/$1.new"
    chmod 444 "$folder/$1.new"
    mv "$folder/$1.new" "$folder/$1"
    echo "made $folder/$1"
}

keep admin_password "$(random)"
keep service_password "$(random)"
for name in key_encryption_key job_key_encryption_key; do
    keep "$name" "$(head -c 32 /dev/urandom | base64 | tr -d '\n')"
done
keep postgres_password "$(random)"
for name in auth job scheduler; do
    keep "${name}_database_url" "postgresql+psycopg://$name:$(random)@postgres:5432/$name"
done

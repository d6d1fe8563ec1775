#!/bin/sh
# Print an environment file with fresh secrets for docker compose:
#     sh docker/secrets.sh > .env
set -eu
secret() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }
umask 077
cat <<EOF
POSTGRES_PASSWORD=$(secret)
VALKEY_PASSWORD=$(secret)
S3_ACCESS_KEY_ID=unlearnable
S3_SECRET_ACCESS_KEY=$(secret)
UNLEARNABLE_SECRET_KEY=$(secret)
EOF

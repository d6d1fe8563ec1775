#!/bin/sh
# Write fresh secrets for docker compose to .env, readable by you alone. An .env that is there stays:
# the databases in the volumes know its passwords.
set -euC
umask 077
secret() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }
cat > .env <<EOF
POSTGRES_PASSWORD=$(secret)
VALKEY_PASSWORD=$(secret)
S3_ACCESS_KEY_ID=unlearnable
S3_SECRET_ACCESS_KEY=$(secret)
UNLEARNABLE_SECRET_KEY=$(secret)
EOF

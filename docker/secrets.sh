#!/bin/sh
# Write fresh secrets for docker compose into a folder, ./secrets unless another is named:
#     sh docker/secrets.sh [FOLDER]
# A folder that is there stays as it is: the databases in the volumes know its passwords.
set -eu
folder=${1:-secrets}
random() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }

# Compose mounts each file alone, with the owner and mode it has here, into containers whose users
# have other numbers: the files must be readable by all. The folder keeps everybody else out.
umask 022
mkdir "$folder" 2>/dev/null || { echo "$folder is there already; nothing is changed." >&2; exit 1; }
chmod 700 "$folder"
cd "$folder"

postgres=$(random) valkey=$(random) s3=$(random) inside=$(random)
write() { cat > "$1"; }

printf %s "$postgres" | write postgres-password
printf %s "postgresql+psycopg://unlearnable:$postgres@postgres:5432/unlearnable" | write database-url
printf %s "$valkey" | write valkey-password
printf %s "redis://:$valkey@valkey:6379/0" | write broker-url
printf %s "$(random)" | write secret-key
printf %s unlearnable | write s3-access-key-id
printf %s "$s3" | write s3-secret-access-key

write valkey.conf <<EOF
requirepass $valkey
dir /data
appendonly yes
save ""
# A doorbell must not vanish because memory is short.
maxmemory-policy noeviction
EOF

write seaweedfs-identities.json <<EOF
{"identities": [{"name": "unlearnable",
  "credentials": [{"accessKey": "unlearnable", "secretKey": "$s3"}],
  "actions": ["Admin", "Read", "Write", "List", "Tagging"]}]}
EOF

# Between SeaweedFS's own parts, whose ports the other containers can reach.
write seaweedfs-security.toml <<EOF
[jwt.signing]
key = "$inside"
[jwt.signing.read]
key = "$inside"
[jwt.filer_signing]
key = "$inside"
[jwt.filer_signing.read]
key = "$inside"
[admin]
password = "$inside"
EOF

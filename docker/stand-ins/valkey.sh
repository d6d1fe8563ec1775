#!/bin/sh
# What valkey/valkey:9 does at its start: as root it gives /data away and steps down.
set -eu
if [ "$(id -u)" = 0 ]; then
    chown -R valkey: .
    exec setpriv --reuid=valkey --regid=valkey --clear-groups "$0" "$@"
fi
umask 077
exec "$@"

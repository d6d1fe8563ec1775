#!/bin/sh
# What chrislusf/seaweedfs:4 does at its start: as root it gives /data away and steps down.
set -eu
if [ "$(id -u)" = 0 ]; then
    chown -R seaweed: /data
    exec setpriv --reuid=seaweed --regid=seaweed --clear-groups "$0" "$@"
fi
exec weed "$@"

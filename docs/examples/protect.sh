#!/bin/sh
# Upload, protect, wait, download, evaluate (as the job does by itself, and more), with curl and jq:
#
#     UNLEARNABLE_URL=... UNLEARNABLE_API_KEY=... sh protect.sh photos.zip 8/255 protected
set -eu
images=$1 epsilon=$2 out=$3

call() { # path, options of curl; the key goes by standard input: anybody can list arguments
    path=$1 && shift
    printf 'header = "Authorization: Bearer %s"\n' "$UNLEARNABLE_API_KEY" |
        curl --silent --show-error --fail-with-body --config - "$@" "$UNLEARNABLE_URL$path"
}
post() { call "$1" --header "Content-Type: application/json" --data "$2"; } # path, JSON
wait_for() { # path: asks until the status is final
    while :; do
        answer=$(call "$1") || return 1
        status=$(printf %s "$answer" | jq -r .status)
        echo "$status $(printf %s "$answer" | jq -r '.progress // ""')" >&2
        case $status in
        ready | succeeded) return 0 ;;
        rejected | failed | cancelled) printf %s "$answer" | jq .error >&2 && return 1 ;;
        esac
        sleep 1
    done
}

dataset=$(call /v1/datasets --form "file=@$images" | jq -er .id)
wait_for "/v1/datasets/$dataset"
job=$(post /v1/jobs "$(jq -n --arg d "$dataset" --arg e "$epsilon" '{dataset_id: $d, epsilon: $e}')" | jq -er .id)
wait_for "/v1/jobs/$job"
file=$(call "/v1/jobs/$job/artifacts?kind=protected_dataset" | jq '.data[0]')
mkdir -p "$out" && cd "$out"
curl --silent --show-error --fail --output "$(echo "$file" | jq -r .name)" "$(echo "$file" | jq -r .url)"
echo "$file" | jq -r '"\(.sha256)  \(.name)"' | sha256sum --check
call "/v1/jobs/$job/evaluation" | jq -r .verdict.summary
evaluation=$(post /v1/evaluations "$(jq -n --arg d "$dataset" --arg j "$job" '{clean_dataset_id: $d,
    job_id: $j, victims: ["small-strided"], countermeasures: ["jpeg-10"]}')" | jq -er .id)
wait_for "/v1/evaluations/$evaluation"
call "/v1/evaluations/$evaluation" | jq -r .result.verdict.summary

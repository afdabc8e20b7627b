#!/usr/bin/env bash
# Runs the exports in TF Serving's Docker image, and checks what docs/serving.md promises:
#
#     serving/smoke.sh [EXPORTS]
#
# The newest encoder and decoder are served as versions 1 and 2, without batching and then with it. Each time: both
# versions load and replay their warm-up requests; every version answers by REST and by gRPC alike, and refuses an
# invalid request with its sentence; then 200 requests of each kind are sent, 8 at once, and every answer is checked.
# Prints a table of the times. Ends with 1 if anything is otherwise, with 2 where there is no Docker or no export.
#
# Environment: PYTHON (default: python3) has tensorflow-serving-api; IMAGE, REQUESTS, CLIENTS.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
exports=${1:-$here/../exports}
python=${PYTHON:-python3}
image=${IMAGE:-$(sed -n 's/^ *image: *//p' "$here/compose.yaml")}
patience=120 # Seconds for two versions of both models to load.

fail() {
    echo "error: $2" >&2
    exit "$1"
}

docker info >/dev/null 2>&1 || fail 2 "docker: found none that runs, expected Docker, which serving/smoke.sh starts TF Serving in"
"$python" -c 'import tensorflow_serving.apis' 2>/dev/null ||
    fail 2 "$python: found no tensorflow-serving-api, expected PYTHON to have it: pip install 'nsynth-vae[train]'"

work=$(mktemp -d "${TMPDIR:-/tmp}/nsynth-vae-serving.XXXXXX")
container=
finish() {
    [[ -z $container ]] || docker stop --time 5 "$container" >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

for model in encoder decoder; do
    newest=
    for folder in "$exports/$model"/[0-9]*; do
        version=${folder##*/}
        if [[ $version =~ ^[0-9]+$ && -d $folder ]] && ((version > ${newest:-0})); then newest=$version; fi
    done
    [[ -n $newest ]] || fail 2 "$exports/$model: found no version, expected what python -m nsynth_vae.export writes"
    mkdir -p "$work/models/$model"
    cp -R "$exports/$model/$newest" "$work/models/$model/1"
    cp -R "$exports/$model/$newest" "$work/models/$model/2"
done
# All versions, where models.config serves the newest alone.
sed 's/^\( *\)model_platform: .*/&\n\1model_version_policy { all {} }/' "$here/models.config" >"$work/models.config"
cp "$here/batching.config" "$work/"
chmod -R a+rX "$work"

# serve LABEL [OPTION ...]: starts the server with these options, checks it, loads it and stops it.
serve() {
    local label=$1 rest grpc model waited=0
    shift
    container=$(docker run --detach --rm --publish 127.0.0.1::8500 --publish 127.0.0.1::8501 \
        --volume "$work/models:/models:ro" --volume "$work:/serving:ro" "$image" \
        --model_config_file=/serving/models.config "$@")
    grpc=$(docker port "$container" 8500/tcp | head -n 1)
    rest=$(docker port "$container" 8501/tcp | head -n 1)
    for model in encoder decoder; do
        until [[ $(curl -s "http://$rest/v1/models/$model" | grep -c '"AVAILABLE"') == 2 ]]; do
            ((waited += 1))
            if ((waited > patience)); then
                docker logs "$container" 2>&1 | tail -n 20 >&2 || true
                fail 1 "$model: not both versions are available after $patience s, expected versions 1 and 2"
            fi
            sleep 1
        done
    done
    docker logs "$container" >"$work/log" 2>&1
    [[ $(grep -c 'Finished reading warmup data for model at' "$work/log") -ge 4 ]] ||
        fail 1 "the server's log: found no end of the warm-up of each model, expected four"
    "$python" "$here/../benchmarks/serving_load.py" --exports "$work/models" --versions 1,2 --grpc "$grpc" \
        --rest "$rest" --requests "${REQUESTS:-200}" --clients "${CLIENTS:-8}" --label "$label"
    docker stop --time 5 "$container" >/dev/null
    container=
}

echo "Serving $exports by $image ..."
serve "no batching"
serve "batching" --enable_batching --batching_parameters_file=/serving/batching.config
echo "All passed."

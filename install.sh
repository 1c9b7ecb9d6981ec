#!/usr/bin/env bash
# From a fresh Debian 12 (or Ubuntu 24.04) machine to a language model that answers behind an OpenAI-compatible gateway.
#
#   ./install.sh                 build, install into ~/.local, start, ask the model one question
#   ./install.sh my.tfvars       the same, and the environment of that file: slipway up -f my.tfvars
#   ./install.sh --prefix DIR    install into DIR/bin
#   ./install.sh --no-start      build and install only
#   ./install.sh --uninstall     stop Slipway and remove what this script put there (--purge: models, keys, state too)
#
# Safe to interrupt and to repeat: every step is skipped when its result is there, and continued when it was cut.
source "$(dirname "$0")/tools/lib.sh"

PREFIX=${SLIPWAY_PREFIX:-$HOME/.local}
START=1 UNINSTALL=0 PURGE=0 TFVARS=
usage() { sed -n '4,8s/^# *//p' "$0" >&2; }
while [ $# -gt 0 ]; do
  case "$1" in
    --prefix) [ $# -gt 1 ] || die 2 "--prefix needs a folder" "./install.sh --prefix ~/.local"; PREFIX=$2; shift ;;
    --prefix=*) PREFIX=${1#--prefix=} ;;
    --no-start) START=0 ;;
    --uninstall) UNINSTALL=1 ;;
    --purge) PURGE=1 ;;
    -h | --help) usage; exit 0 ;;
    -*) usage; die 2 "unknown option '$1'" "./install.sh --help" ;;
    *) [ -z "$TFVARS" ] || die 2 "only one tfvars file, please" "./install.sh my.tfvars"; TFVARS=$1 ;;
  esac
  shift
done
[ -z "$TFVARS" ] || [ -r "$TFVARS" ] || die 2 "'$TFVARS' cannot be read" "Check the path, or run ./install.sh without a file."

DATA=${XDG_DATA_HOME:-$HOME/.local/share}/slipway
STATE=${XDG_STATE_HOME:-$HOME/.local/state}/slipway
CONFIG=${XDG_CONFIG_HOME:-$HOME/.config}/slipway
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/slipway
MANIFEST=$PREFIX/share/slipway/manifest
BUILD=$ROOT/build/install
export BUILD_LOG=$CACHE/install.log
trap 'printf "\n" >&2; say "Interrupted. Nothing is broken: run ./install.sh again, it continues where it stopped."; exit 130' INT TERM

uninstall() {
  [ -r "$MANIFEST" ] || die 4 "nothing was installed into $PREFIX by this script (no $MANIFEST)" \
    "Name the folder you installed into: ./install.sh --uninstall --prefix DIR"
  step "Stopping Slipway"
  [ -x "$PREFIX/bin/slipway" ] && { "$PREFIX/bin/slipway" down >&2 || true; }
  step "Removing"
  local file
  while IFS= read -r file; do
    rm -f -- "$PREFIX/$file" && say "    $PREFIX/$file"
  done <"$MANIFEST"
  rm -f "$MANIFEST"
  rmdir --ignore-fail-on-non-empty "$PREFIX/share/slipway" "$PREFIX/bin" 2>/dev/null || true
  local folder
  for folder in "$CACHE" "$BUILD"; do
    [ -e "$folder" ] && rm -rf "$folder" && say "    $folder"
  done
  for folder in "$DATA" "$STATE" "$CONFIG"; do
    [ -e "$folder" ] || continue
    if [ "$PURGE" = 1 ]; then rm -rf "$folder" && say "    $folder"; else say "    kept: $folder"; fi
  done
  [ "$PURGE" = 1 ] || say "Models, keys and state were kept; ./install.sh --uninstall --purge removes them too."
  say "Debian packages that were installed for the build were left alone."
}

if [ "$UNINSTALL" = 1 ]; then
  uninstall
  exit 0
fi

mkdir -p "$CACHE"
: >"$BUILD_LOG"
started=$(date +%s)
declare -A took
timed() { # timed NAME COMMAND...
  local name=$1 from
  from=$(date +%s)
  shift
  "$@"
  took[$name]=$(($(date +%s) - from))
}

build_slipway() {
  step "Building Slipway"
  # Another llama.cpp, as after CUDA came to this machine, is another folder.
  if ! grep -qsF "$("$ROOT/tools/llama" path)/" "$BUILD/build.ninja"; then
    with_progress "configure" cmake -S "$ROOT" --preset release -B "$BUILD" -DSLIPWAY_TESTS=OFF
  fi
  # A first build has nothing to find in the cache: without a run of the preprocessor for each file it is a sixth quicker.
  CCACHE_DEPEND=1 with_progress "build Slipway" cmake --build "$BUILD" --target slipway slipway-worker
}

install_files() {
  step "Installing into $PREFIX"
  local part=$MANIFEST.part program
  mkdir -p "$PREFIX/bin" "$(dirname "$MANIFEST")"
  : >"$part"
  for program in slipway slipway-worker; do
    cmp -s "$BUILD/bin/$program" "$PREFIX/bin/$program" ||
      { install -m 755 -s "$BUILD/bin/$program" "$PREFIX/bin/.$program.new" && mv -f "$PREFIX/bin/.$program.new" "$PREFIX/bin/$program"; }
    echo "bin/$program" >>"$part"
  done
  mv "$part" "$MANIFEST"
}

ask_one_question() {
  local question="What is a slipway? Answer in one sentence."
  step "Asking the model: $question"
  "$PREFIX/bin/slipway" chat --max-tokens 64 --verbose "" "$question"
}

timed "packages" install_packages "for the build" "${BUILD_PACKAGES[@]}"
step "Building llama.cpp (once)"
timed "llama.cpp" "$ROOT/tools/llama" build
timed "Slipway" build_slipway
timed "copy" install_files
SLIPWAY=$PREFIX/bin/slipway
if [ "$START" = 1 ]; then
  step "Starting Slipway"
  timed "model and start" "$SLIPWAY" up ${TFVARS:+-f "$TFVARS"}
  timed "first answer" ask_one_question
fi

summary=
for name in "packages" "llama.cpp" "Slipway" "model and start" "first answer"; do
  [ -n "${took[$name]:-}" ] && summary+="${summary:+, }$name ${took[$name]} s"
done
say ""
say "${BOLD}Done in $(($(date +%s) - started)) s${PLAIN} ($summary)."
case ":$PATH:" in *":$PREFIX/bin:"*) on_path=1 ;; *) on_path=0 ;; esac
name=slipway
[ "$on_path" = 1 ] || name=$SLIPWAY
if [ "$START" = 1 ]; then
  say "Endpoint: $("$SLIPWAY" status -o json | python3 -c 'import json,sys; print(json.load(sys.stdin)["gateway"]["url"])')/v1 (OpenAI-compatible)"
fi
say "Next:"
[ "$START" = 1 ] || say "    $name up                     start it"
say "    $name chat                   talk to the model"
say "    $name models --available     better models, and what fits this machine"
say "    $name status                 what is running"
[ "$on_path" = 1 ] || say "${DIM}$PREFIX/bin is not on your PATH; add it to use the short name.${PLAIN}"

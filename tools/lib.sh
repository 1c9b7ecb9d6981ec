# Shared by the shell tools: colours, progress lines, package lists. Sourced, never run.
# shellcheck shell=bash

set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# Object files depend on neither the build folder nor where the checkout lies: ./test.sh takes those of ./install.sh.
export CCACHE_BASEDIR=$ROOT CCACHE_NOHASHDIR=1

# Debian packages that building and running needs; one line, one purpose.
BUILD_PACKAGES=(
  clang-19 lld-19 cmake ninja-build ccache git ca-certificates curl pkg-config xz-utils
  libboost1.81-dev libssl-dev libcurl4-openssl-dev libsqlite3-dev libsodium-dev libseccomp-dev
  nlohmann-json3-dev libsimdjson-dev libyaml-cpp-dev libcli11-dev libfmt-dev libxxhash-dev
  python3 python3-pip
)
# What ./test.sh needs on top of that.
TEST_PACKAGES=(
  clang-tidy-19 clang-format-19 libclang-rt-19-dev libfuzzer-19-dev libgtest-dev libgmock-dev libbenchmark-dev
  python3-venv nodejs npm procps
)

if [ -t 2 ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-}" != dumb ]; then
  BOLD=$'\e[1m' DIM=$'\e[2m' RED=$'\e[31m' PLAIN=$'\e[0m'
else
  BOLD='' DIM='' RED='' PLAIN=''
fi

say() { printf '%s\n' "$*" >&2; }
step() { printf '%s==>%s %s\n' "$BOLD" "$PLAIN" "$*" >&2; }
# die EXIT_CODE MESSAGE NEXT_STEP
die() {
  printf '%serror:%s %s\n  next: %s\n' "$RED" "$PLAIN" "$2" "$3" >&2
  exit "$1"
}

# A program that is here counts as its package, wherever it came from (Node.js from its own archive ships npm, and
# Debian's npm would conflict with it).
missing_packages() {
  local package
  for package in "$@"; do
    case "$package" in
      nodejs) command -v node >/dev/null && continue ;;
      npm | git | curl | cmake | ccache) command -v "$package" >/dev/null && continue ;;
    esac
    case "$(dpkg-query -W -f='${db:Status-Abbrev}' "$package" 2>/dev/null)" in ii*) ;; *) printf '%s\n' "$package" ;; esac
  done
}

# install_packages PURPOSE PACKAGE...: installs what is missing as root or through sudo, else says what to run.
install_packages() {
  local purpose=$1 missing
  shift
  command -v dpkg-query >/dev/null || die 4 "this is not a Debian or Ubuntu machine, so packages cannot be installed for you" \
    "Install the equivalents of: $*"
  mapfile -t missing < <(missing_packages "$@")
  [ ${#missing[@]} -gt 0 ] || return 0
  step "Installing ${#missing[@]} Debian packages $purpose"
  local as_root=()
  if [ "$(id -u)" != 0 ]; then
    if command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
      as_root=(sudo)
    else
      die 4 "${#missing[@]} Debian packages are missing and this user is not root" \
        "Run as root: apt-get install --no-install-recommends ${missing[*]}"
    fi
  fi
  local log
  log=$(mktemp)
  if ! { "${as_root[@]}" apt-get update -qq && "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
      apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
    tail -n 15 "$log" >&2
    die 4 "apt-get could not install: ${missing[*]} (its last lines are above)" \
      "On Debian older than 12 or Ubuntu older than 24.04 some of these do not exist; otherwise run it by hand."
  fi
  rm -f "$log"
}

# with_progress TITLE COMMAND...: runs a build whose output has ninja's [done/total] marks; shows one line with an ETA on
# a terminal, a line every 10 s elsewhere. The whole output goes to $BUILD_LOG; its end is shown when the command fails.
with_progress() {
  local title=$1 started now line last=0 done_ total eta status
  shift
  : "${BUILD_LOG:=$(mktemp)}"
  started=$(date +%s)
  set +e
  "$@" 2>&1 | tee -a "$BUILD_LOG" | while IFS= read -r line; do
    [[ $line =~ ^\[([0-9]+)/([0-9]+)\] ]] || continue
    done_=${BASH_REMATCH[1]} total=${BASH_REMATCH[2]} now=$(date +%s)
    eta='' ; ((done_ > total / 20 && done_ > 3)) && eta=", $(((now - started) * (total - done_) / done_)) s left"
    if [ -t 2 ]; then
      printf '\r\e[K    %s %d/%d%s' "$title" "$done_" "$total" "$eta" >&2
    elif ((now - last >= 10)); then
      last=$now
      say "    $title $done_/$total$eta"
    fi
  done
  status=${PIPESTATUS[0]}
  set -e
  [ -t 2 ] && printf '\r\e[K' >&2
  if [ "$status" != 0 ]; then
    grep -E 'error|FAILED|Error' "$BUILD_LOG" | tail -n 20 >&2
    tail -n 5 "$BUILD_LOG" >&2
    [ "$status" = 130 ] && exit 130
    die 1 "$title failed (exit code $status)" "The whole output is in $BUILD_LOG"
  fi
  say "    $title: $(($(date +%s) - started)) s"
}

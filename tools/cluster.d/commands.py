"""tools/cluster up | down | status | image | operators: what the person sees."""

import argparse
import contextlib
import fcntl
import json
import os
import pathlib
import shlex
import subprocess
import sys
import time

import certificates
import images
import isolation
import layout
import operators
import parts
import processes
from layout import CACHE, KUBECONFIG, STATE, Failure, say

# Not deployments but processes of ours, so the Service that pods ask for names has no selector.
BASE_OBJECTS = [
    {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "kube-dns", "namespace": "kube-system", "labels": {"k8s-app": "kube-dns"}},
        "spec": {
            "clusterIP": layout.DNS_SERVICE,
            "ports": [{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns-tcp", "port": 53, "protocol": "TCP"}],
        },
    },
    {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": "kube-dns",
            "namespace": "kube-system",
            "labels": {"kubernetes.io/service-name": "kube-dns"},
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": [layout.NODE_ADDRESS], "conditions": {"ready": True}}],
        "ports": [{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns-tcp", "port": 53, "protocol": "TCP"}],
    },
    {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "slipway:dns"},
        "rules": [
            {"apiGroups": [""], "resources": ["services", "pods", "namespaces"], "verbs": ["list", "watch"]},
            {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
        ],
    },
    {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "slipway:dns"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "slipway:dns"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "slipway:dns"}],
    },
]


def kubectl(*arguments, stdin=None, check=True):
    program = pathlib.Path(layout.built()["tools"]) / "kubectl"
    return isolation.command(program, "--kubeconfig", KUBECONFIG, "--request-timeout=60s", *arguments, stdin=stdin, check=check)


@contextlib.contextmanager
def alone():
    """One up, down or image at a time; the lock is the state folder itself, so it goes with it."""
    while True:
        STATE.mkdir(parents=True, mode=0o700, exist_ok=True)
        folder = os.open(STATE, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("    another tools/cluster is at work; waiting for it")
            fcntl.flock(folder, fcntl.LOCK_EX)
        with contextlib.suppress(FileNotFoundError):
            if os.stat(STATE).st_ino == os.fstat(folder).st_ino:
                break
        os.close(folder)
    try:
        yield
    finally:
        os.close(folder)


def build():
    """Only what is not in the cache yet takes time."""
    done = subprocess.run([layout.ROOT / "tools/cluster.d/build", "parts"], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise Failure("the parts of the cluster could not be built (above)", "tools/cluster up", done.returncode)
    (CACHE / "cluster-parts").write_text(done.stdout)


def up(_arguments):
    began = time.monotonic()
    isolation.check_machine()
    build()
    with alone():
        if all_sound():
            say(f"The cluster is up already, every part healthy.  KUBECONFIG={KUBECONFIG}")
            return next_commands()
        isolation.make()
        certificates.make()
        parts.write_configuration()
        for part in parts.all_parts():
            bring_up(part)
            after(part)
        ready()
    say(f"Kubernetes {layout.built()['version']} is up after {time.monotonic() - began:.0f} s.")
    return next_commands()


def all_sound():
    return (
        isolation.MOUNTS.exists()
        and isolation.NETWORK.exists()
        and all(processes.running(part.name) and parts.sound(part) is None for part in parts.all_parts())
    )


def bring_up(part):
    began = time.monotonic()
    process = None
    if processes.running(part.name) is None:
        if part.name == "etcd":
            processes.stop("kube-apiserver", within_s=1)  # its client would wait up to two minutes before it tries again
        process = processes.start(part)
    processes.wait_until_sound(part, process)
    if process is not None:
        say(f"    {part.name}: {time.monotonic() - began:.1f} s")


def after(part):
    """What the next part waits for."""
    if part.name == "containerd":
        images.pause()
    if part.name == "kube-apiserver":
        kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin="\n---\n".join(map(json.dumps, BASE_OBJECTS)))


def ready():
    began = time.monotonic()
    kubectl("wait", "--for=create", f"node/{layout.NODE}", "serviceaccount/default", "--timeout=60s")
    kubectl("wait", "--for=condition=Ready", f"node/{layout.NODE}", "--timeout=120s")
    say(f"    node Ready: {time.monotonic() - began:.1f} s")


def next_commands():
    print(KUBECONFIG)
    say("Next:")
    say(f"  export KUBECONFIG={KUBECONFIG}; {layout.built()['tools']}/kubectl get nodes")
    say("  tools/cluster status        (and tools/cluster down removes everything)")
    return 0


def down(_arguments):
    if not STATE.exists() and not isolation.NETWORK.exists() and not isolation.processes():
        say("There is no cluster here.")
        return 0
    if os.geteuid() != 0:
        raise Failure("the cluster belongs to root", "sudo -E tools/cluster down", 4)
    began = time.monotonic()
    with alone():
        names = [part.name for part in parts.all_parts()] if layout.built() else []
        for name in reversed(names):
            processes.stop(name)
        isolation.remove()
    say(f"The cluster is gone after {time.monotonic() - began:.0f} s: processes, containers, mounts, interfaces, rules, state.")
    say(f"What was built stays in {CACHE} for the next tools/cluster up.")
    return 0


def status(_arguments):
    if not STATE.exists() or not layout.built():
        say("There is no cluster here.\n  next: tools/cluster up")
        return 1
    sick, answers = 0, False
    for part in parts.all_parts():
        pid = processes.running(part.name)
        trouble = parts.sound(part) if pid and isolation.NETWORK.exists() else "not running"
        if trouble is None:
            answers = answers or part.name == "kube-apiserver"
            print(f"{part.name:<24} {pid:>8}  healthy")
            continue
        sick += 1
        print(f"{part.name:<24} {pid or '-':>8}  {trouble}\n{processes.last_lines(part.name, 1)}")
    if answers:
        print(kubectl("get", "nodes,pods", "--all-namespaces", "-o", "wide", check=False).stdout.rstrip())
    if sick:
        say(f"{sick} parts are not healthy.\n  next: tools/cluster up (it starts what is missing); logs are in {layout.LOGS}")
    return 1 if sick else 0


def must_be_up():
    if not layout.built() or not processes.running("containerd") or not processes.running("kube-apiserver"):
        raise Failure("no cluster is up", "tools/cluster up", 4)


def install_operators(arguments):
    for name in arguments.names:
        operators.parts_of(name)  # minutes, and nobody has to wait for them
    with alone():
        must_be_up()
        for name in arguments.names:
            operators.install(name, kubectl, arguments.instance_types)
    return 0


def image(arguments):
    source = pathlib.Path(arguments.source) if arguments.source else None
    if source is None and arguments.name != "python":
        raise Failure("which file system?", "tools/cluster image NAME:TAG FOLDER|FILE.tar|PROGRAM, or: tools/cluster image python", 2)
    with alone():
        must_be_up()
        if source is None:
            name = images.python()
        else:
            name = arguments.name
            entrypoint = shlex.split(arguments.entrypoint) if arguments.entrypoint else None
            images.load(name, images.pack(name, source, entrypoint, arguments.user, arguments.env))
    print(images.full_name(name))
    return 0


def main():
    parser = argparse.ArgumentParser(prog="tools/cluster", description=__doc__.partition(":")[0] + ": a real Kubernetes on this machine")
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    for verb, text in ((up, "build what is missing and start it; repairs"), (down, "leave nothing"), (status, "each part, nodes, pods")):
        verbs.add_parser(verb.__name__, help=text).set_defaults(run=verb)
    of_image = verbs.add_parser("image", help="make an image without Docker and load it; 'python' is a ready one")
    of_image.add_argument("name", help="NAME:TAG")
    of_image.add_argument("source", nargs="?", help="a root file system (folder or .tar), or one static program")
    of_image.add_argument("--entrypoint", help="a command line")
    of_image.add_argument("--user", default="", help="a number")
    of_image.add_argument("--env", action="append", default=[], metavar="NAME=VALUE")
    of_image.set_defaults(run=image)
    of_operators = verbs.add_parser("operators", help="build operators from their Go modules and run them as pods")
    of_operators.add_argument("names", nargs="+", choices=sorted(operators.OPERATORS), metavar="NAME", help=", ".join(operators.OPERATORS))
    of_operators.add_argument("--instance-types", type=pathlib.Path, metavar="FILE", help="the machines that karpenter-kwok may choose from, JSON")
    of_operators.set_defaults(run=install_operators)
    arguments = parser.parse_args()
    try:
        return arguments.run(arguments)
    except BrokenPipeError:  # the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Failure as failure:
        say(f"error: {failure}\n  next: {failure.next_step}")
        return failure.code
    except KeyboardInterrupt:
        say("\ninterrupted; tools/cluster up goes on from here, tools/cluster down removes everything")
        return 130


if __name__ == "__main__":
    sys.exit(main())

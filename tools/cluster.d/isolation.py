"""The cluster's walls: a network namespace, a mount namespace and a control group, all of its own.

Interfaces, iptables rules, mounts and listening ports of the cluster live inside, so this machine's own are never touched,
and taking the walls down takes everything with it. One pair of veth interfaces joins the inside to this machine, with two
routes: pods and Services answer from here by their addresses. Pods have no way out to other networks.
"""

import contextlib
import ctypes
import ipaddress
import os
import pathlib
import shutil
import signal
import subprocess
import time

import layout
from layout import NAME, STATE, Failure

NETWORK = pathlib.Path("/run/netns") / NAME
MOUNTS = STATE / "namespace" / "mount"
PARTS_GROUP = "parts"  # processes may not sit in a group that has children with controllers (cgroup v2)

# Inside the mount namespace these lie on folders of ours: runtimes and kubelet have such paths built in.
PRIVATE_FOLDERS = {
    "/var/lib/cni": "cni",
    "/var/lib/kubelet": "kubelet",
    "/var/log/containers": "log-links",
    "/var/log/pods": "pod-logs",
}


def command(*arguments, check=True, stdin=None):
    done = subprocess.run(list(map(str, arguments)), input=stdin, capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        raise Failure(f"{' '.join(map(str, arguments))}: {done.stderr.strip()[-800:]}", "tools/cluster status")
    return done


def enter(arguments):
    """The command line that runs something inside."""
    return ["nsenter", f"--net={NETWORK}", f"--mount={MOUNTS}", "--", *map(str, arguments)]


@contextlib.contextmanager
def network():
    """Sockets opened in this block are inside; for a program of one thread."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/self/ns/net") as outside, open(NETWORK) as inside:
        if libc.setns(inside.fileno(), 0) != 0:
            raise OSError(ctypes.get_errno(), "setns")
        try:
            yield
        finally:
            libc.setns(outside.fileno(), 0)


def mounted(folder):
    folder = str(folder)
    return any(line.split()[4] == folder for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines())


def control_group_mounts(*kinds):
    rows = [line.split() for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines()]
    return [pathlib.Path(row[4]) for row in rows if row[row.index("-") + 1] in kinds]


def control_groups():
    """Mount points of the hierarchies whose limits pods use: one of cgroup v2, or each controller's of v1."""
    return control_group_mounts("cgroup") or control_group_mounts("cgroup2")


# -- making ------------------------------------------------------------------------------------------------------------


def make():
    """Each step looks first, so that a half-made set is completed."""
    make_groups()
    make_network()
    make_mounts()


def make_groups():
    for root in control_groups():
        group = root / NAME
        group.mkdir(exist_ok=True)
        for inherited in ("cpuset.cpus", "cpuset.mems"):  # v1 starts them empty, and then takes no process
            if (root / inherited).exists() and (group / inherited).exists() and not (group / inherited).read_text().strip():
                (group / inherited).write_text((root / inherited).read_text())
        controllers = group / "cgroup.controllers"
        if controllers.exists():
            wanted = " ".join("+" + name for name in controllers.read_text().split())
            (group / "cgroup.subtree_control").write_text(wanted)
    (parts_root() / PARTS_GROUP).mkdir(exist_ok=True)


def parts_root():
    roots = control_groups()
    return next((root for root in roots if root.name == "pids"), roots[0]) / NAME


def make_network():
    if not NETWORK.exists():
        command("ip", "netns", "add", NAME)
    if not pathlib.Path(f"/sys/class/net/{layout.HOST_LINK}").exists():
        command("ip", "link", "add", layout.HOST_LINK, "type", "veth", "peer", "name", "eth0", "netns", NAME)
    inside = ["ip", "-n", NAME]
    command("ip", "address", "replace", f"{layout.HOST_ADDRESS}/30", "dev", layout.HOST_LINK)
    command("ip", "link", "set", layout.HOST_LINK, "up")
    command(*inside, "address", "replace", f"{layout.NODE_ADDRESS}/30", "dev", "eth0")
    command(*inside, "link", "set", "lo", "up")
    command(*inside, "link", "set", "eth0", "up")
    # Calls to anywhere else fail at once. Those of processes to Services need a route before they are translated.
    command(*inside, "route", "replace", "unreachable", "default")
    command(*inside, "route", "replace", layout.SERVICES, "dev", "lo", "src", layout.NODE_ADDRESS)
    for addresses in (layout.PODS, layout.SERVICES):
        command("ip", "route", "replace", addresses, "via", layout.NODE_ADDRESS)
    with network():
        pathlib.Path("/proc/sys/net/ipv4/ip_forward").write_text("1")


def make_mounts():
    if MOUNTS.exists() and mounted(MOUNTS):
        return
    made = STATE / "made-folders"
    for folder, ours in PRIVATE_FOLDERS.items():
        (STATE / ours).mkdir(exist_ok=True)
        for missing in reversed([folder, *map(str, pathlib.Path(folder).parents)]):
            if not os.path.isdir(missing):
                os.mkdir(missing)
                with made.open("a") as list_of_made:
                    list_of_made.write(missing + "\n")
    MOUNTS.parent.mkdir(exist_ok=True)
    MOUNTS.touch()
    if not mounted(MOUNTS.parent):  # a namespace can be kept only on a mount that is not shared
        command("mount", "--bind", MOUNTS.parent, MOUNTS.parent)
    command("mount", "--make-private", MOUNTS.parent)
    command("unshare", f"--mount={MOUNTS}", "true")
    steps = ["mount -t tmpfs -o mode=755 tmpfs /run"]
    steps += [f"mount --bind '{STATE / ours}' {folder}" for folder, ours in PRIVATE_FOLDERS.items()]
    steps += ["mount --make-rshared /"]  # of this namespace only: volumes with mount propagation want it
    command("nsenter", f"--mount={MOUNTS}", "--", "sh", "-ec", "\n".join(steps))


# -- taking down -------------------------------------------------------------------------------------------------------


def processes():
    """Every process inside, whoever started it: containers and their shims too."""
    found = set()
    for root in control_group_mounts("cgroup", "cgroup2"):
        for folder, _, _ in os.walk(root / NAME):
            with contextlib.suppress(OSError):
                found.update(map(int, (pathlib.Path(folder) / "cgroup.procs").read_text().split()))
    return found


def kill_all(within_s=30):
    """Containers end without grace here: their kubelet is gone, and so is what they would tell."""
    deadline = time.monotonic() + within_s
    while left := processes():
        if time.monotonic() > deadline:
            raise Failure(f"processes {sorted(left)} of the cluster do not end", "tools/cluster down")
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for pid in left:
            wait_for_exit(pid, deadline)


def wait_for_exit(pid, deadline):
    """A descriptor of the process becomes readable when it has ended; nothing is polled."""
    import select

    with contextlib.suppress(ProcessLookupError):
        descriptor = os.pidfd_open(pid)
        try:
            select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
        finally:
            os.close(descriptor)


def remove():
    kill_all()
    for folder in (MOUNTS, MOUNTS.parent):
        while mounted(folder):
            command("umount", folder)
    if pathlib.Path(f"/sys/class/net/{layout.HOST_LINK}").exists():
        command("ip", "link", "delete", layout.HOST_LINK)  # the routes go with it
    if NETWORK.exists():
        command("ip", "netns", "delete", NAME)
    # Beside v1 there may be a v2 without controllers, in which the runtime makes groups too.
    for root in control_group_mounts("cgroup", "cgroup2"):
        for folder, _, _ in os.walk(root / NAME, topdown=False):
            os.rmdir(folder)
    made = STATE / "made-folders"
    for folder in reversed(made.read_text().splitlines() if made.exists() else []):
        with contextlib.suppress(OSError):  # someone else has put something there meanwhile
            os.rmdir(folder)
    shutil.rmtree(STATE, ignore_errors=False)


# -- can it be? --------------------------------------------------------------------------------------------------------


def check_machine():
    """Raises with what is missing; changes nothing but a probe that it removes."""
    if os.geteuid() != 0:
        raise Failure(
            "a cluster needs root: it makes namespaces, control groups and mounts", "sudo -E tools/cluster up", 4
        )
    if not control_groups():
        raise Failure(
            "no control groups are mounted here, so no kubelet can run (a container without --privileged has none)",
            "run it on the machine itself or in a privileged container: docker run --privileged",
            4,
        )
    if not os.access(control_groups()[0], os.W_OK):
        raise Failure(f"{control_groups()[0]} cannot be written", "run it in a privileged container", 4)
    for tool, package in (("ip", "iproute2"), ("nsenter", "util-linux"), ("iptables", "iptables")):
        if not shutil.which(tool):
            raise Failure(f"the program '{tool}' is missing", f"apt-get install {package}", 4)
    check_kernel()
    check_routes()


def check_kernel():
    if NETWORK.exists():
        return
    probe = f"{NAME}-probe"
    command("ip", "netns", "delete", probe, check=False)
    if (made := command("ip", "netns", "add", probe, check=False)).returncode:
        raise Failure(f"this kernel or container gives no network namespace: {made.stderr.strip()}", "run it privileged", 4)
    try:
        veth = ["ip", "-n", probe, "link", "add", "probe0", "type", "veth", "peer", "name", "probe1"]
        if (made := command(*veth, check=False)).returncode:
            raise Failure(f"this kernel has no veth interfaces: {made.stderr.strip()}", "modprobe veth", 4)
        tables = ["ip", "netns", "exec", probe, "iptables", "-t", "nat", "-A", "PREROUTING", "-m", "comment", "--comment"]
        if (made := command(*tables, "probe", "-j", "RETURN", check=False)).returncode:
            raise Failure(f"iptables cannot add a rule: {made.stderr.strip()}", "modprobe iptable_nat nft_compat", 4)
    finally:
        command("ip", "netns", "delete", probe, check=False)


def check_routes():
    """An address range of ours that this machine already routes would cut it off from something."""
    ours = [ipaddress.ip_network(range_) for range_ in (layout.WIRE, layout.PODS, layout.SERVICES)]
    for line in command("ip", "-4", "route", "show", "table", "all").stdout.splitlines():
        words = line.split()
        if layout.HOST_LINK in words or words[0] == "default":
            continue
        target = words[1] if words[0] in ("local", "broadcast", "unicast", "anycast", "blackhole", "unreachable") else words[0]
        with contextlib.suppress(ValueError):
            if any(ipaddress.ip_network(target, strict=False).overlaps(range_) for range_ in ours):
                raise Failure(
                    f"this machine already routes {target}, which the cluster would use ({line.strip()})",
                    f"ip route show {target}; free it, or change the ranges in tools/cluster.d/layout.py",
                    4,
                )

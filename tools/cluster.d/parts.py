"""The parts of the cluster in the order in which they start: how each is run and how it says that it is well."""

import dataclasses
import json
import pathlib
import ssl
import urllib.error
import urllib.request

import isolation
import layout
from layout import CONFIG, LOGS, PKI, STATE


@dataclasses.dataclass
class Part:
    name: str
    arguments: list
    health: str  # an address inside, or a socket


def sound(part):
    """None when the part answers its health question, else what it answered."""
    if part.name == "containerd":
        done = isolation.command(program("ctr"), "-a", layout.CONTAINERD_SOCKET, "--connect-timeout", "2s", "version", check=False)
        return None if done.returncode == 0 else done.stderr.strip()[-200:]
    # Most of these certificates are made by the part itself, and the question crosses nothing but the inside's loopback.
    context = ssl.create_default_context(cafile=PKI / "ca.crt")
    if part.name == "kube-apiserver":
        context.load_cert_chain(PKI / "admin.crt", PKI / "admin.key")
    else:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        with isolation.network(), opener.open(part.health, timeout=3) as answer:
            return None if answer.status == 200 else f"HTTP {answer.status}"
    except urllib.error.HTTPError as error:
        return f"HTTP {error.code}: {error.read(300).decode(errors='replace').strip()}"
    except (urllib.error.URLError, OSError) as error:
        return str(getattr(error, "reason", error))


def program(name):
    built = layout.built()
    node = pathlib.Path(built["node"])
    places = [pathlib.Path(built["bin"]), node / "usr/bin", node / "usr/sbin"]
    return next(place / name for place in places if (place / name).exists())


def flags(**named):
    return [f"--{name.replace('_', '-')}={str(value).lower() if value is True or value is False else value}" for name, value in named.items()]


def all_parts():
    return [
        Part("containerd", ["--config", CONFIG / "containerd.toml"], str(layout.CONTAINERD_SOCKET)),
        Part("etcd", etcd(), "http://127.0.0.1:2381/health"),
        Part("kube-apiserver", apiserver(), f"{layout.API_URL}/readyz"),
        Part("kube-controller-manager", controller_manager(), "https://127.0.0.1:10257/healthz"),
        Part("kube-scheduler", scheduler(), "https://127.0.0.1:10259/healthz"),
        Part("coredns", ["-conf", CONFIG / "Corefile"], "http://127.0.0.1:8181/ready"),
        Part("kubelet", kubelet(), "http://127.0.0.1:10248/healthz"),
        # Last: without its node it waits half a minute.
        Part("kube-proxy", ["--config", CONFIG / "kube-proxy.yaml"], "http://127.0.0.1:10256/livez"),
    ]


def etcd():
    return flags(
        data_dir=STATE / "etcd",
        listen_client_urls="https://127.0.0.1:2379",
        advertise_client_urls="https://127.0.0.1:2379",
        listen_peer_urls="http://127.0.0.1:2380",
        initial_advertise_peer_urls="http://127.0.0.1:2380",
        initial_cluster="default=http://127.0.0.1:2380",
        listen_metrics_urls="http://127.0.0.1:2381",
        cert_file=PKI / "etcd.crt",
        key_file=PKI / "etcd.key",
        trusted_ca_file=PKI / "ca.crt",
        client_cert_auth=True,
    )


def apiserver():
    return flags(
        etcd_servers="https://127.0.0.1:2379",
        etcd_cafile=PKI / "ca.crt",
        etcd_certfile=PKI / "apiserver-etcd.crt",
        etcd_keyfile=PKI / "apiserver-etcd.key",
        bind_address=layout.NODE_ADDRESS,
        advertise_address=layout.NODE_ADDRESS,
        secure_port=6443,
        cert_dir=PKI,
        tls_cert_file=PKI / "apiserver.crt",
        tls_private_key_file=PKI / "apiserver.key",
        client_ca_file=PKI / "ca.crt",
        kubelet_client_certificate=PKI / "apiserver-kubelet.crt",
        kubelet_client_key=PKI / "apiserver-kubelet.key",
        kubelet_certificate_authority=PKI / "ca.crt",
        kubelet_preferred_address_types="InternalIP",
        requestheader_client_ca_file=PKI / "ca.crt",
        requestheader_allowed_names="front-proxy",
        requestheader_username_headers="X-Remote-User",
        requestheader_group_headers="X-Remote-Group",
        requestheader_extra_headers_prefix="X-Remote-Extra-",
        proxy_client_cert_file=PKI / "front-proxy.crt",
        proxy_client_key_file=PKI / "front-proxy.key",
        service_cluster_ip_range=layout.SERVICES,
        service_account_issuer=f"https://kubernetes.default.svc.{layout.DOMAIN}",
        service_account_signing_key_file=PKI / "service-accounts.key",
        service_account_key_file=PKI / "service-accounts.key",
        authorization_mode="Node,RBAC",
        enable_admission_plugins="NodeRestriction",
        allow_privileged=True,
        # Debian's etcd 3.4 knows no progress notifications, which these two want.
        feature_gates="WatchList=false,SizeBasedListCostEstimate=false",
    )


def controller_manager():
    return flags(
        kubeconfig=CONFIG / "controller-manager.kubeconfig",
        bind_address="127.0.0.1",
        cert_dir=PKI / "controller-manager",
        leader_elect=False,
        use_service_account_credentials=True,
        service_account_private_key_file=PKI / "service-accounts.key",
        root_ca_file=PKI / "ca.crt",
        cluster_signing_cert_file=PKI / "ca.crt",
        cluster_signing_key_file=PKI / "ca.key",
        cluster_cidr=layout.PODS,
        allocate_node_cidrs=False,
        service_cluster_ip_range=layout.SERVICES,
        horizontal_pod_autoscaler_sync_period="5s",
    )


def scheduler():
    return flags(
        kubeconfig=CONFIG / "scheduler.kubeconfig",
        bind_address="127.0.0.1",
        cert_dir=PKI / "scheduler",
        leader_elect=False,
    )


def kubelet():
    return flags(
        config=CONFIG / "kubelet.yaml",
        kubeconfig=CONFIG / "kubelet-client.kubeconfig",
        hostname_override=layout.NODE,
        node_ip=layout.NODE_ADDRESS,
        root_dir="/var/lib/kubelet",  # lies on a folder of ours; drivers and plugins expect this path
        # The pool is what our add-ons select for what is not a model.
        node_labels="topology.kubernetes.io/zone=local-a,topology.kubernetes.io/region=local,slipway.dev/pool=general-purpose",
    )


# -- configuration files -----------------------------------------------------------------------------------------------


def write_configuration():
    LOGS.mkdir(exist_ok=True)
    layout.PIDS.mkdir(exist_ok=True)
    (CONFIG / "cni").mkdir(exist_ok=True)
    write_json("kubelet.yaml", kubelet_configuration())
    write_json("kube-proxy.yaml", proxy_configuration())
    write_json("cni/10-slipway.conflist", cni_configuration())
    write("resolv.conf", "")
    write("Corefile", COREFILE)
    write("containerd.toml", containerd_configuration())


def write(name, text):
    """Only what differs: kube-proxy ends when its file is touched."""
    file = CONFIG / name
    if not file.exists() or file.read_text() != text:
        file.write_text(text)


def write_json(name, value):
    write(name, json.dumps(value, indent=2) + "\n")  # JSON is YAML


COREFILE = f"""{layout.DOMAIN}:53 in-addr.arpa:53 {{
    bind {layout.NODE_ADDRESS}
    errors
    health 127.0.0.1:8080
    ready 127.0.0.1:8181
    cache 5
    loadbalance
    kubernetes {layout.DOMAIN} in-addr.arpa {{
        kubeconfig {CONFIG / "dns.kubeconfig"} {layout.NAME}
        pods insecure
        ttl 5
    }}
}}
"""


def kubelet_configuration():
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": layout.NODE_ADDRESS,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(PKI / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(PKI / "kubelet.crt"),
        "tlsPrivateKeyFile": str(PKI / "kubelet.key"),
        "healthzBindAddress": "127.0.0.1",
        "containerRuntimeEndpoint": f"unix://{layout.CONTAINERD_SOCKET}",
        "clusterDNS": [layout.DNS_SERVICE],
        "clusterDomain": layout.DOMAIN,
        "resolvConf": str(CONFIG / "resolv.conf"),  # names outside of the cluster do not exist inside
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{layout.NAME}",
        "failCgroupV1": False,
        "failSwapOn": False,
        # A shared machine: pods get no guarantee against its other work, and a full disk is not theirs to be evicted for.
        "enforceNodeAllocatable": [],
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "evictionHard": {"memory.available": "200Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "volumePluginDir": str(STATE / "volume-plugins"),
        "podLogsDir": "/var/log/pods",
        "serializeImagePulls": False,
        "nodeStatusUpdateFrequency": "4s",
        "shutdownGracePeriod": "0s",
        "shutdownGracePeriodCriticalPods": "0s",
        "protectKernelDefaults": False,
        "makeIPTablesUtilChains": True,
    }


def proxy_configuration():
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": str(CONFIG / "proxy.kubeconfig")},
        "hostnameOverride": layout.NODE,
        "clusterCIDR": layout.PODS,
        "mode": "iptables",
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
        "nodePortAddresses": [f"{layout.NODE_ADDRESS}/32"],
        # The sizes of the kernel's connection table belong to the machine.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    }


def cni_configuration():
    """One routed link a pod and no bridge, as on EKS: every packet crosses the inside's own routing and its rules."""
    return {
        "cniVersion": "0.4.0",
        "name": layout.NAME,
        "plugins": [
            {
                "type": "ptp",
                "ipMasq": False,
                "ipam": {
                    "type": "host-local",
                    "dataDir": "/var/lib/cni/networks",
                    "ranges": [[{"subnet": layout.PODS}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }


def containerd_configuration():
    node = pathlib.Path(layout.built()["node"])
    return f"""version = 2
root = "{STATE}/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.aufs"]

[grpc]
address = "{layout.CONTAINERD_SOCKET}"

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{layout.PAUSE_IMAGE}"
restrict_oom_score_adj = true # raising a container's priority needs a capability that a sandbox may lack
stream_server_address = "127.0.0.1"

[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "{snapshotter()}"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
BinaryName = "{node}/usr/sbin/runc"
SystemdCgroup = false

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{node}/usr/lib/cni"
conf_dir = "{CONFIG}/cni"
"""


def snapshotter():
    """Layers are stacked where the kernel can stack on this file system, else copied; the first answer is kept."""
    answer = CONFIG / "snapshotter"
    if not answer.exists():
        probe = STATE / "overlay-probe"
        for folder in ("lower", "upper", "work", "merged"):
            (probe / folder).mkdir(parents=True, exist_ok=True)
        options = f"lowerdir={probe}/lower,upperdir={probe}/upper,workdir={probe}/work"
        inside = isolation.enter(["sh", "-c", f"mount -t overlay overlay -o '{options}' '{probe}/merged' && umount '{probe}/merged'"])
        answer.write_text("overlayfs" if isolation.command(*inside, check=False).returncode == 0 else "native")
    return answer.read_text()

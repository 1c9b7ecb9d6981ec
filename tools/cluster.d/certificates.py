"""One certificate authority, a certificate for each part, kubeconfigs: made at the first `up`, kept until `down`."""

import base64
import os
import subprocess

import layout
from layout import CONFIG, PKI

DAYS = "365"

# file name -> subject; the organisation is the group that Kubernetes' own roles are bound to.
CLIENTS = {
    "admin": "/O=system:masters/CN=admin",
    "controller-manager": "/CN=system:kube-controller-manager",
    "scheduler": "/CN=system:kube-scheduler",
    "proxy": "/CN=system:kube-proxy",
    "kubelet-client": f"/O=system:nodes/CN=system:node:{layout.NODE}",
    "apiserver-kubelet": "/O=system:masters/CN=apiserver-kubelet",
    "apiserver-etcd": "/CN=apiserver-etcd",
    "dns": "/CN=slipway:dns",
    "front-proxy": "/CN=front-proxy",
}
SERVERS = {
    "apiserver": f"IP:{layout.NODE_ADDRESS},IP:{layout.API_SERVICE},IP:127.0.0.1,DNS:localhost,DNS:kubernetes,"
    f"DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.{layout.DOMAIN}",
    "etcd": "IP:127.0.0.1,DNS:localhost",
    "kubelet": f"IP:{layout.NODE_ADDRESS},IP:127.0.0.1,DNS:{layout.NODE}",
}
KUBECONFIGS = ("admin", "controller-manager", "scheduler", "proxy", "kubelet-client", "dns")


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], cwd=PKI, check=True, capture_output=True, text=True)


def signed(name, subject, extensions):
    if (PKI / f"{name}.crt").exists():
        return
    (PKI / f"{name}.ext").write_text(extensions)
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", f"{name}.key"]
    openssl("req", *key, "-subj", subject, "-out", f"{name}.csr")
    authority = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial"]
    openssl("x509", "-req", "-in", f"{name}.csr", *authority, "-days", DAYS, "-extfile", f"{name}.ext", "-out", f"{name}.part")
    os.replace(PKI / f"{name}.part", PKI / f"{name}.crt")


def make():
    PKI.mkdir(mode=0o700, exist_ok=True)
    CONFIG.mkdir(mode=0o700, exist_ok=True)
    if not (PKI / "ca.crt").exists():
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "ca.key"]
        openssl("req", "-x509", *key, "-days", DAYS, "-subj", "/CN=slipway-cluster", "-out", "ca.part")
        os.replace(PKI / "ca.part", PKI / "ca.crt")
    if not (PKI / "service-accounts.key").exists():
        openssl("genrsa", "-out", "service-accounts.part", "2048")
        os.replace(PKI / "service-accounts.part", PKI / "service-accounts.key")
    for name, subject in CLIENTS.items():
        signed(name, subject, "extendedKeyUsage=clientAuth\n")
    for name, names in SERVERS.items():
        signed(name, f"/CN={name}", f"extendedKeyUsage=serverAuth,clientAuth\nsubjectAltName={names}\n")
    for name in KUBECONFIGS:
        target = layout.KUBECONFIG if name == "admin" else CONFIG / f"{name}.kubeconfig"
        write_kubeconfig(target, name)


def write_kubeconfig(target, name):
    def text(file):
        return base64.b64encode((PKI / file).read_bytes()).decode()

    target.touch(mode=0o600)
    target.write_text(f"""apiVersion: v1
kind: Config
current-context: {layout.NAME}
clusters: [{{name: {layout.NAME}, cluster: {{server: "{layout.API_URL}", certificate-authority-data: {text("ca.crt")}}}}}]
users: [{{name: {name}, user: {{client-certificate-data: {text(name + ".crt")}, client-key-data: {text(name + ".key")}}}}}]
contexts: [{{name: {layout.NAME}, context: {{cluster: {layout.NAME}, user: {name}}}}}]
""")

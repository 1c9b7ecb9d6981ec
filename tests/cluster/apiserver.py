"""A real kube-apiserver on 127.0.0.1 for the tests: etcd, a CA made for the run, one admin token, resource definitions.

The processes live as long as the test session, in a folder that pytest removes. Readiness is asked, never slept for.
"""

import contextlib
import os
import pathlib
import secrets
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

READY_WITHIN_S = 120


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(url, process, log):
    """Polls until the server says ok; a server that died says why in its log."""
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args[0]} exited with {process.returncode}:\n{log.read_text()[-3000:]}")
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=0.05)  # ask again soon, at once if it died
    raise RuntimeError(f"{url} did not answer within {READY_WITHIN_S} s:\n{log.read_text()[-3000:]}")


class ApiServer:
    def __init__(self, folder: pathlib.Path, binaries: pathlib.Path, kubectl: pathlib.Path):
        self.folder, self.binaries, self.kubectl_path = folder, binaries, kubectl
        self.processes = []

    def start(self):
        etcd_port, peer_port, port = free_port(), free_port(), free_port()
        self._run(
            "etcd",
            [
                "--data-dir",
                str(self.folder / "etcd"),
                "--unsafe-no-fsync",
                "--listen-client-urls",
                f"http://127.0.0.1:{etcd_port}",
                "--advertise-client-urls",
                f"http://127.0.0.1:{etcd_port}",
                "--listen-peer-urls",
                f"http://127.0.0.1:{peer_port}",
                "--initial-advertise-peer-urls",
                f"http://127.0.0.1:{peer_port}",
                "--initial-cluster",
                f"default=http://127.0.0.1:{peer_port}",
            ],
            f"http://127.0.0.1:{etcd_port}/health",
        )
        self._certificates()
        token = secrets.token_hex(24)
        (self.folder / "tokens.csv").write_text(f'{token},test,test,"system:masters"\n')
        # etcd 3.4 knows no progress notifications, which these two features want.
        process, log = self._spawn(
            "kube-apiserver",
            [
                "--etcd-servers",
                f"http://127.0.0.1:{etcd_port}",
                "--bind-address",
                "127.0.0.1",
                "--secure-port",
                str(port),
                "--advertise-address",
                "127.0.0.1",
                "--endpoint-reconciler-type",
                "none",
                "--service-cluster-ip-range",
                "10.100.0.0/16",
                "--tls-cert-file",
                "server.crt",
                "--tls-private-key-file",
                "server.key",
                "--client-ca-file",
                "ca.crt",
                "--token-auth-file",
                "tokens.csv",
                "--authorization-mode",
                "RBAC",
                "--allow-privileged",
                "--service-account-issuer",
                "https://kubernetes.default.svc",
                "--service-account-signing-key-file",
                "sa.key",
                "--service-account-key-file",
                "sa.key",
                "--feature-gates",
                "WatchList=false,SizeBasedListCostEstimate=false",
            ],
        )
        (self.folder / "kubeconfig").write_text(f"""apiVersion: v1
kind: Config
current-context: test
clusters: [{{name: test, cluster: {{server: "https://127.0.0.1:{port}", certificate-authority: {self.folder}/ca.crt}}}}]
users: [{{name: test, user: {{token: {token}}}}}]
contexts: [{{name: test, context: {{cluster: test, user: test}}}}]
""")
        deadline = time.monotonic() + READY_WITHIN_S
        while self.kubectl("get", "--raw", "/readyz", check=False).returncode != 0:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=0.2)
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"kube-apiserver did not become ready:\n{log.read_text()[-3000:]}")
        return self

    def kubectl(self, *arguments, stdin=None, check=True):
        done = subprocess.run(
            [self.kubectl_path, "--kubeconfig", self.folder / "kubeconfig", "--request-timeout=60s", *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            env={**os.environ, "HOME": str(self.folder)},
        )
        if check and done.returncode != 0:
            raise RuntimeError(f"kubectl {' '.join(map(str, arguments))} failed:\n{done.stderr[-4000:]}")
        return done

    def stop(self):
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()

    def _spawn(self, name, arguments):
        log = self.folder / f"{name}.log"
        process = subprocess.Popen(
            [self.binaries / name, *arguments], cwd=self.folder, stdout=log.open("w"), stderr=subprocess.STDOUT
        )
        self.processes.append(process)
        return process, log

    def _run(self, name, arguments, health):
        wait_for(health, *self._spawn(name, arguments))

    def _certificates(self):
        def openssl(*arguments):
            subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True)

        openssl(
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "1",
            "-subj",
            "/CN=test-ca",
            "-keyout",
            "ca.key",
            "-out",
            "ca.crt",
        )
        openssl(
            "req",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-subj",
            "/CN=kube-apiserver",
            "-keyout",
            "server.key",
            "-out",
            "server.csr",
        )
        (self.folder / "san").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
        openssl(
            "x509",
            "-req",
            "-in",
            "server.csr",
            "-CA",
            "ca.crt",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-days",
            "1",
            "-extfile",
            "san",
            "-out",
            "server.crt",
        )
        openssl("genrsa", "-out", "sa.key", "2048")

"""Slipway's own API client (src/kube) against the real kube-apiserver; the tests themselves are src/kube/real_api_test.cc."""

import os
import pathlib
import subprocess

import pytest

import render

PROGRAM = pathlib.Path(os.environ.get("SLIPWAY_TEST_BIN", render.ROOT / "build/dev/bin")) / "kube_test"


def test_the_client_speaks_to_a_real_api_server(cluster):
    if not PROGRAM.exists():
        pytest.skip(f"needs {PROGRAM}: cmake --preset dev && cmake --build build/dev --target kube_test")
    environment = {**os.environ, "SLIPWAY_TEST_KUBECONFIG": str(cluster.server.folder / "kubeconfig")}
    done = subprocess.run(
        [PROGRAM, "--gtest_filter=RealApi.*"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]
    assert "[  SKIPPED ]" not in done.stdout and "[  PASSED  ]" in done.stdout

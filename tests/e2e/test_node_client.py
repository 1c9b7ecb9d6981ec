"""The published openai package for Node against a real Slipway."""
import os
import pathlib
import shutil
import subprocess

import pytest
from conftest import EMBEDDED


def test_every_case_of_the_node_client(slipway, tmp_path):
    modules = os.environ.get("SLIPWAY_TEST_NODE_MODULES")
    if not modules or not shutil.which("node"):
        pytest.skip("needs node and SLIPWAY_TEST_NODE_MODULES (./test.sh sets it)")
    (tmp_path / "node_modules").symlink_to(modules)
    shutil.copy(pathlib.Path(__file__).with_name("client.mjs"), tmp_path)
    done = subprocess.run(["node", "client.mjs", slipway.url, EMBEDDED], cwd=tmp_path, text=True, capture_output=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("ok ") >= 10

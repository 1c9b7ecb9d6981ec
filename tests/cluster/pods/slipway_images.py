"""Images of our own programs for pods: `slipway image build`, and the worker's with two models in it (tiny_model.py)."""

import json
import os
import pathlib
import subprocess
import tarfile
import tempfile

import pytest
import tiny_model
from conftest import ROOT, tool

PROGRAMS = pathlib.Path(os.environ.get("SLIPWAY_BIN", ROOT / "build/release/bin"))
SLIPWAY_IMAGE, WORKER_IMAGE = "slipway.dev/slipway:test", "slipway.dev/slipway-worker:test"
REAL, TINY = "/models/SmolLM2-135M-Instruct.Q4_1.gguf", "/models/tiny.gguf"


def weights():
    named = os.environ.get("SLIPWAY_TEST_MODEL")
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    return pathlib.Path(named) if named else cache / "slipway-tests/model" / pathlib.Path(REAL).name


def built(folder, *arguments):
    """The root file system of an image that our program makes."""
    archive = folder / "image.tar"
    done = subprocess.run([PROGRAMS / "slipway", "image", "build", archive, *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"slipway image build: {done.stderr}")
    root = folder / "root"
    root.mkdir()
    with tarfile.open(archive) as image:
        index = json.load(image.extractfile("index.json"))
        blob = lambda digest: image.extractfile(f"blobs/sha256/{digest.removeprefix('sha256:')}")  # noqa: E731
        manifest = json.load(blob(index["manifests"][0]["digest"]))
        for layer in manifest["layers"]:
            subprocess.run(["tar", "-C", root, "-xf", "-"], input=blob(layer["digest"]).read(), check=True)
    return root


def load(_real):
    """Both images, in the cluster."""
    for program in ("slipway", "slipway-worker"):
        if not (PROGRAMS / program).exists():
            pytest.skip(f"needs {PROGRAMS / program}: cmake --preset release && cmake --build --preset release")
    if not weights().exists():
        pytest.skip(f"needs the model {weights()}: ./test.sh fetches it")
    with tempfile.TemporaryDirectory() as scratch:
        root = built(pathlib.Path(scratch))
        tool("image", SLIPWAY_IMAGE, str(root), "--entrypoint", "/usr/bin/slipway", "--user", "65532")
    with tempfile.TemporaryDirectory() as scratch:
        root = built(pathlib.Path(scratch), "--worker")
        (root / "models").mkdir()
        (root / REAL.lstrip("/")).write_bytes(weights().read_bytes())
        tiny_model.write(weights(), root / TINY.lstrip("/"))
        tool("image", WORKER_IMAGE, str(root), "--entrypoint", "/usr/bin/slipway-worker", "--user", "65532")

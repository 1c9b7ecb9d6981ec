"""Container images without a registry and without Docker: a root file system becomes a docker-archive and is imported.

An archive is a tar of three files: the layer (a tar of the root file system), its configuration, and a manifest that names
both. It is kept under the cache, so that a cluster made anew takes it without building.
"""

import hashlib
import io
import json
import pathlib
import re
import shutil
import tarfile
import tempfile

import isolation
import layout
import parts
from layout import CACHE, Failure, say

IMAGES = CACHE / "images"


def archive_of(name):
    return IMAGES / (re.sub(r"[^a-zA-Z0-9.-]", "_", name) + ".tar")


def full_name(name):
    """As Kubernetes will ask for it: a registry, a repository and a tag."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9._/:-]*:[A-Za-z0-9._-]+", name):
        raise Failure(f"'{name}' is no image name with a tag", "tools/cluster image NAME:TAG SOURCE", 2)
    first, slash, _ = name.partition("/")
    if not slash:
        return f"docker.io/library/{name}"
    return name if "." in first or ":" in first or first == "localhost" else f"docker.io/{name}"


def layer_of(source, layer, at):
    """Writes the layer: a folder as it is, a .tar as it is, a program at its place. Returns a default command."""
    if source.is_dir():
        tar = ["tar", "--numeric-owner", "--xattrs", "-C", source, "-cf", layer, "."]
        isolation.command(*tar)
        return ["/bin/sh"]
    if source.suffix == ".tar":
        shutil.copyfile(source, layer)
        return ["/bin/sh"]
    if not source.is_file():
        raise Failure(f"{source} is neither a folder, nor a .tar, nor a program", "tools/cluster image --help", 2)
    with tarfile.open(layer, "w") as tar:
        # What programs without an operating system still ask for: who they are and where scratch files go.
        for folder, mode in (("bin", 0o755), ("etc", 0o755), ("tmp", 0o1777)):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, mode
            tar.addfile(entry)
        users = b"root:x:0:0:root:/:/bin/false\nnonroot:x:65532:65532:nonroot:/:/bin/false\n"
        entry = tarfile.TarInfo("etc/passwd")
        entry.size = len(users)
        tar.addfile(entry, io.BytesIO(users))
        at = at or f"/bin/{source.name}"
        entry = tarfile.TarInfo(at.lstrip("/"))
        entry.size, entry.mode = source.stat().st_size, 0o755
        with source.open("rb") as program:
            tar.addfile(entry, program)
    return [at]


def digest_of(file):
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def pack(name, source, entrypoint=None, user="", environment=(), at=None):
    """Makes the archive of an image and returns its file."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    name = full_name(name)
    target = archive_of(name)
    with tempfile.TemporaryDirectory(dir=IMAGES) as scratch:
        layer = pathlib.Path(scratch) / "layer.tar"
        command = layer_of(pathlib.Path(source), layer, at)
        configuration = json.dumps({
            "architecture": "arm64" if isolation.command("uname", "-m").stdout.strip() == "aarch64" else "amd64",
            "os": "linux",
            "config": {
                "Entrypoint": entrypoint or command,
                "User": user,
                "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", *environment],
            },
            "rootfs": {"type": "layers", "diff_ids": ["sha256:" + digest_of(layer)]},
        }).encode()
        manifest = json.dumps([{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]).encode()
        whole = pathlib.Path(scratch) / "image.tar"
        with tarfile.open(whole, "w") as tar:
            for file, content in (("manifest.json", manifest), ("config.json", configuration)):
                entry = tarfile.TarInfo(file)
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
            tar.add(layer, "layer.tar")
        whole.replace(target)
    return target


def load(name, archive):
    ctr = [parts.program("ctr"), "-a", layout.CONTAINERD_SOCKET, "-n", "k8s.io"]
    isolation.command(*ctr, "images", "import", "--snapshotter", parts.snapshotter(), archive)
    if full_name(name) not in loaded():
        raise Failure(f"{name} was imported, but containerd does not list it", "tools/cluster status")


def loaded():
    ctr = [parts.program("ctr"), "-a", layout.CONTAINERD_SOCKET, "-n", "k8s.io"]
    return set(isolation.command(*ctr, "images", "ls", "-q").stdout.split())


def pause():
    """The image that every pod starts with."""
    if layout.PAUSE_IMAGE in loaded():
        return
    archive = archive_of(layout.PAUSE_IMAGE)
    if not archive.exists():
        pack(layout.PAUSE_IMAGE, parts.program("pause"), user="65535")
    load(layout.PAUSE_IMAGE, archive)


def python(name="slipway.dev/python:3.11"):
    """Debian with Python, for tests that need a pod which does something."""
    archive = archive_of(name)
    if not archive.exists():
        if not shutil.which("mmdebstrap"):
            raise Failure("the image needs the program 'mmdebstrap'", "apt-get install mmdebstrap", 4)
        say("    image slipway.dev/python:3.11 from Debian packages, once")
        IMAGES.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=IMAGES) as scratch:
            root = pathlib.Path(scratch) / "root.tar"
            thin = [f"--dpkgopt=path-exclude=/usr/share/{part}/*" for part in ("doc", "info", "locale", "man")]
            packages = "--include=python3,ca-certificates"
            isolation.command("mmdebstrap", "--quiet", "--variant=essential", packages, *thin, "bookworm", root)
            pack(name, root, entrypoint=["/usr/bin/python3"])
    load(name, archive)
    return name

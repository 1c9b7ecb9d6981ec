"""`slipway image build`: an image of the built program, unpacked as a container runtime does it, runs without this machine's files."""
import hashlib
import json
import os
import shutil
import subprocess
import tarfile
import urllib.request

import pytest

from conftest import BIN, free_port, wait_for

NONROOT = 65532
PROGRAMS = {"slipway": [], "slipway-worker": ["--worker"]}


def build(folder, name, *more):
    archive = folder / f"{name}.tar"
    done = subprocess.run(
        [BIN / "slipway", "image", "build", archive, *PROGRAMS[name], "-o", "json", *more],
        capture_output=True, text=True, check=False, timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return archive, json.loads(done.stdout), done.stderr


def sha256(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Image:
    """An archive read as the specification says: index, manifest, configuration, layer; every digest is checked."""

    def __init__(self, archive):
        with tarfile.open(archive) as tar:
            files = {entry.name: tar.extractfile(entry).read() for entry in tar if entry.isfile()}
        assert json.loads(files["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}

        def blob(descriptor):
            data = files["blobs/" + descriptor["digest"].replace(":", "/")]
            assert sha256(data) == descriptor["digest"] and len(data) == descriptor["size"]
            return data

        (self.entry,) = json.loads(files["index.json"])["manifests"]
        manifest = json.loads(blob(self.entry))
        self.configuration = json.loads(blob(manifest["config"]))
        (layer,) = manifest["layers"]
        self.layer = blob(layer)
        assert self.configuration["rootfs"]["diff_ids"] == [sha256(self.layer)]

    def unpack(self, folder):
        layer = folder.with_suffix(".layer")
        layer.write_bytes(self.layer)
        folder.mkdir()
        owner = ["--numeric-owner", "--same-owner"] if os.geteuid() == 0 else []
        subprocess.run(["tar", "-xpf", layer, "-C", folder, *owner], check=True)
        layer.unlink()
        return folder


def inside(root, *command):
    """A command with `root` as its whole file system; as the image's user where this user may become another."""
    chroot = shutil.which("chroot", path="/usr/sbin:/usr/bin:/sbin:/bin")
    if os.geteuid() == 0:
        return [chroot, f"--userspec={NONROOT}:{NONROOT}", root, *command]
    return [shutil.which("unshare"), "--map-root-user", chroot, root, *command]


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    """The unpacked images by program."""
    folder = tmp_path_factory.mktemp("image")
    if subprocess.run(inside("/", "/bin/true"), capture_output=True, check=False).returncode != 0:
        pytest.skip("needs root, or user namespaces for this user (kernel.unprivileged_userns_clone)")
    yield {name: Image(build(folder, name)[0]).unpack(folder / name) for name in PROGRAMS}
    shutil.rmtree(folder)


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_program_runs_with_nothing_but_the_image(roots, name):
    word = "version" if name == "slipway" else "--version"
    done = subprocess.run(
        inside(roots[name], f"/usr/bin/{name}", word), env={}, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [name, version()]


def version():
    done = subprocess.run([BIN / "slipway", "version", "-o", "json"], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)["version"]


def test_a_gateway_serves_from_the_image(roots):
    port = free_port()
    arguments = ["serve", "--role", "gateway", "--listen", f"127.0.0.1:{port}", "--replica", "m=127.0.0.1:1"]
    process = subprocess.Popen(inside(roots["slipway"], "/usr/bin/slipway", *arguments), env={})
    try:
        def healthy():
            assert process.poll() is None, "it ended"
            try:
                return urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2).status == 200
            except OSError:
                return False

        assert wait_for(healthy)
    finally:
        process.terminate()
        assert process.wait(30) == 0


def test_there_is_no_shell_and_nothing_of_the_machine(roots):
    for name, root in roots.items():
        programs = sorted(str(file.relative_to(root)) for file in root.rglob("*") if file.is_file() and os.access(file, os.X_OK))
        assert [file for file in programs if "/ld-" not in f"/{file}"] == [f"usr/bin/{name}"]
        assert sorted(file.name for file in (root / "etc").iterdir()) == ["group", "nsswitch.conf", "passwd", "ssl"]


def test_the_image_says_what_it_is_and_who_it_runs_as(tmp_path):
    archive, said, notes = build(tmp_path, "slipway", "--tag", "registry.example.org/team/slipway:1.2.3")
    image = Image(archive)
    reference = "registry.example.org/team/slipway:1.2.3"
    assert said["digest"] == image.entry["digest"] and said["reference"] == reference
    assert said["bytes"] == archive.stat().st_size and said["architecture"] == image.configuration["architecture"]
    assert image.entry["annotations"]["io.containerd.image.name"] == reference
    assert image.entry["annotations"]["org.opencontainers.image.ref.name"] == reference
    config = image.configuration["config"]
    assert config["Entrypoint"] == ["/usr/bin/slipway"] and config["User"] == str(NONROOT)
    assert config["Labels"]["org.opencontainers.image.version"] == version()
    assert f"docker://{reference}" in notes and "ctr -n k8s.io images import" in notes


def test_the_same_program_makes_the_same_archive(tmp_path):
    first, said, _ = build(tmp_path, "slipway")
    bytes_before = first.read_bytes()
    second, again, _ = build(tmp_path, "slipway")
    assert said == again and second.read_bytes() == bytes_before


def test_a_worker_says_which_processor_it_needs(tmp_path):
    _, said, notes = build(tmp_path, "slipway-worker")
    if said["processor"]:  # an engine built for every processor names none
        assert "built for this machine's processor" in notes and said["processor"][0] in notes
        flags = open("/proc/cpuinfo").read().lower()
        assert ("AVX2" in said["processor"]) == (" avx2 " in flags)
    else:
        assert "built for this machine's processor" not in notes

"""A `slipway up` and `slipway down` with fake terraform, aws, helm and kubectl over one world, for fault tests."""
import functools
import json
import os
import pathlib
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PROGRAMS = HERE / "fakes/bin"
BIN = pathlib.Path(os.environ["SLIPWAY_TEST_BIN"]) / "slipway"
PATIENCE = 120  # seconds for one command
KILLED = -9

BLUEPRINT = """name = "inference"
region = "us-west-2"
eks_cluster_version = "1.35"
allowed_inbound_cidrs = ["203.0.113.0/24"]
enable_aws_load_balancer_controller = true
"""


def health():
    """Object -> who makes it, from each add-on's own list."""
    found = {}
    for file in sorted((ROOT / "platform/addons").glob("*/addon.yaml")):
        text = file.read_text()
        name, space = re.search(r"(?m)^name: (\S+)", text)[1], re.search(r"(?m)^namespace: (\S+)", text)[1]
        source = re.search(r"(?m)^source: (.+)", text)[1]
        urls = re.findall(r"https://[^\]\s,]+", source) if "manifests:" in source else []
        for entry in re.findall(r"(?m)^  - \{(kind: .+)\}", text):
            fields = dict(pair.split(": ", 1) for pair in entry.split(", "))
            scope = "" if fields["kind"] in ("NodePool", "CustomResourceDefinition", "StorageClass", "RuntimeClass") else fields.get("namespace", space)
            key = f"{fields['kind']}/{scope}/{fields['name']}"
            by = [["applied", url] for url in urls] or ([["release", f"{space}/{name}"]] if "manifests:" not in source else [])
            found.setdefault(key, []).extend(by)
    return found


HEALTH = health()


@functools.cache
def server():
    sys.path.insert(0, str(HERE / "fakes"))
    from serve import Server
    return Server()


def settle_in(folder, world=None):
    """Makes a folder the home of the fake programs, with a fresh world or that which is there."""
    (folder / "port").write_text(f"{server().port}\n")
    if world is not None:
        (folder / "world.json").write_text(json.dumps(world))


def fresh():
    return {"account": "111122223333", "things": {}, "objects": {}, "releases": {}, "applied": {}, "health": HEALTH, "quotas": {}, "faults": {},
            "done": {}, "calls": 0, "asked": {}, "ids": 0, "api_alive": True, "lock_who": ""}


class World:
    """A folder with a home (the world, the fakes' PATH) and Slipway's own."""

    def __init__(self, blueprint=BLUEPRINT, copy_of=None):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="environment-"))
        if copy_of:
            shutil.copytree(copy_of.folder, self.folder, dirs_exist_ok=True, symlinks=True)
            self._move(copy_of.folder)
            settle_in(self.folder)
        else:
            (self.folder / "slipway").mkdir()
            (self.folder / "env.tfvars").write_text(blueprint)
            settle_in(self.folder, fresh())

    def _move(self, old):
        """Paths in what was written are those of the copy, as on a machine that was never another one."""
        for file in (self.folder / "slipway/state").rglob("*"):
            if file.name in ("backend_override.tf", "kubeconfig"):
                file.write_text(file.read_text().replace(str(old), str(self.folder)))

    def close(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def read(self):
        return json.loads((self.folder / "world.json").read_text())

    def write(self, world):
        (self.folder / "world.json").write_text(json.dumps(world))

    def change(self, **values):
        self.write(self.read() | values)

    def faults(self, **values):
        self.change(faults=values)

    def variables(self):
        return {"HOME": str(self.folder), "PATH": f"{PROGRAMS}:/usr/bin:/bin", "SLIPWAY_HOME": str(self.folder / "slipway"),
                "SLIPWAY_FAULT_PAUSE_MS": "1", "SLIPWAY_ADDRESS_URL": "http://127.0.0.1:1/", "NO_COLOR": "1",
                "ASAN_OPTIONS": "detect_leaks=0"}

    def run(self, *arguments, kill_at=None, stdin="", **variables):
        environment = {**self.variables(), **variables}
        if kill_at:
            environment["SLIPWAY_FAULT_KILL_AT"] = str(kill_at)
        try:
            return subprocess.run([str(BIN), *arguments], env=environment, input=stdin, capture_output=True, text=True, timeout=PATIENCE)
        except subprocess.TimeoutExpired as late:
            raise AssertionError(f"{arguments} took longer than {PATIENCE} s: {(late.stderr or b'').decode()[-2000:]}") from late

    def up(self, *arguments, **options):
        return self.run("up", "-f", str(self.folder / "env.tfvars"), "--yes", *arguments, **options)

    def down(self, *arguments, **options):
        return self.run("down", "-f", str(self.folder / "env.tfvars"), "--confirm", "inference", "-o", "json", *arguments, **options)

    def records(self):
        with sqlite3.connect(f"file:{self.folder / 'slipway/state/inference/journal.db'}?mode=ro", uri=True) as database:
            return database.execute("SELECT seq, step, phase FROM records ORDER BY seq").fetchall()

    def shape(self):
        """What exists, without the names that AWS invents."""
        world = self.read()
        kinds = sorted(t["kind"] + ("" if t.get("state") != "PendingDeletion" else "-pending") for t in world["things"].values())
        return {"things": kinds, "releases": {k: v["status"] for k, v in world["releases"].items()}, "objects": sorted(world["objects"])}

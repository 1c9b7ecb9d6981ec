"""A real Slipway for the end-to-end tests: the built binaries, the real engine, the real model, an environment of its own.

SLIPWAY_BIN names the folder with slipway and slipway-worker (./test.sh sets it). Every environment lives in a temporary
SLIPWAY_HOME on a free port; the model file is shared through the store so that it is fetched once.
"""
import json
import os
import pathlib
import shutil
import socket
import subprocess
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("SLIPWAY_BIN", ROOT / "build/release/bin"))
EMBEDDED = "smollm2-135m"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(condition, seconds=30, every=0.05):
    """Polls until condition() is true and returns its value; fails the test after `seconds`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(every)
    pytest.fail(f"not true within {seconds} s: {condition}")


class Environment:
    """One Slipway environment in a folder of its own."""

    def __init__(self, home, port=None):
        self.home = pathlib.Path(home)
        self.port = port or free_port()
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "SLIPWAY_HOME": str(self.home),
            "SLIPWAY_GATEWAY_PORT": str(self.port),
            "LANG": "C.UTF-8",
        }
        for name in ("PIP_CERT", "PIP_INDEX_URL", "PIP_FIND_LINKS", "PIP_DEFAULT_TIMEOUT"):
            if name in os.environ:
                self.env[name] = os.environ[name]

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/v1"

    def run(self, *args, check=True, timeout=120, stdin=None, env=None):
        result = subprocess.run(
            [BIN / "slipway", *args], env={**self.env, **(env or {})}, text=True, capture_output=True,
            timeout=timeout, input=stdin,
        )
        if check and result.returncode != 0:
            pytest.fail(f"slipway {' '.join(args)} exited {result.returncode}\n{result.stdout}\n{result.stderr}")
        return result

    def json(self, *args, **kwargs):
        return json.loads(self.run(*args, "-o", "json", **kwargs).stdout)

    def up(self, *args):
        return self.run("up", *args, timeout=300)

    def down(self):
        return self.run("down", timeout=120)

    def status(self):
        return self.json("status")

    def workers(self):
        return [r for m in self.status()["models"] for r in m["replicas"]]


@pytest.fixture(scope="session")
def model_store(tmp_path_factory):
    """A data folder whose model store is kept between runs."""
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "slipway-tests/models"
    cache.mkdir(parents=True, exist_ok=True)
    return cache


@pytest.fixture
def make_environment(tmp_path_factory, model_store):
    """A factory of environments that share the model store; all are taken down at the end."""
    made = []

    def make(**kwargs):
        home = tmp_path_factory.mktemp("slipway")
        (home / "data").mkdir()
        (home / "data" / "models").symlink_to(model_store)
        environment = Environment(home, **kwargs)
        made.append(environment)
        return environment

    yield make
    for environment in made:
        environment.run("down", check=False)
        shutil.rmtree(environment.home, ignore_errors=True)


@pytest.fixture(scope="module")
def slipway(tmp_path_factory, model_store):
    """A running environment with the embedded model, shared by the tests of one file."""
    home = tmp_path_factory.mktemp("slipway")
    (home / "data").mkdir()
    (home / "data" / "models").symlink_to(model_store)
    environment = Environment(home)
    environment.up()
    yield environment
    environment.down()
    shutil.rmtree(home, ignore_errors=True)

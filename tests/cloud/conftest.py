"""Shared set-up: one emulated AWS a test process, and Terraform with its provider, or a skip that says what is missing."""
import shutil
import subprocess

import pytest

from emulator import Emulator
from terraform import Terraform, plugin_folder

NEEDS_TERRAFORM = "needs terraform >= 1.11.4 on PATH (https://developer.hashicorp.com/terraform/install)"
NEEDS_PROVIDER = ("needs the provider hashicorp/aws 5.100.0: a network that reaches the Terraform registry, or SLIPWAY_TF_PLUGINS=DIR "
                  "where DIR holds registry.terraform.io/hashicorp/aws/5.100.0/linux_amd64")


@pytest.fixture(scope="session")
def plugins():
    if shutil.which("terraform") is None:
        pytest.skip(NEEDS_TERRAFORM)
    return plugin_folder()


@pytest.fixture(scope="session")
def emulator(tmp_path_factory):
    emulator = Emulator(tmp_path_factory.mktemp("emulator"))
    yield emulator
    emulator.stop()


@pytest.fixture
def quiet_emulator(emulator):
    """The shared emulator with every fault off again afterwards."""
    yield emulator
    emulator.faults(throttle_share=0.0, server_error_share=0.0, expire_after_calls=0, tags_lag_calls=0, cluster_polls=1, nodegroup_failure="",
                    log_group_comes_back=False, rules=[])


def _workspace(folder, emulator, plugins):
    workspace = Terraform(folder / "terraform", emulator.endpoint, plugins)
    if plugins is None:
        try:
            return workspace.init()
        except AssertionError as error:
            pytest.skip(f"{NEEDS_PROVIDER} ({str(error).splitlines()[-1]})")
    return workspace.init()


@pytest.fixture(scope="session")
def plans(tmp_path_factory, emulator, plugins):
    """A folder for plans only; each is made once."""
    workspace = _workspace(tmp_path_factory.mktemp("plans"), emulator, plugins)
    made = {}

    def plan(**variables):
        key = repr(sorted(variables.items()))
        if key not in made:
            workspace.variables(**variables)
            made[key] = workspace.plan_json()
        return made[key]

    plan.workspace = workspace
    return plan


@pytest.fixture
def workspace(tmp_path, quiet_emulator, plugins):
    return _workspace(tmp_path, quiet_emulator, plugins)


def pytest_collection_modifyitems(items):
    """All tests that only plan go to one process, so that a plan is made once; those that apply share the other."""
    for item in items:
        if "plans" in item.fixturenames:
            item.add_marker(pytest.mark.xdist_group("plans"))


def pytest_report_header():
    terraform = shutil.which("terraform")
    version = subprocess.run([terraform, "version"], capture_output=True, text=True).stdout.splitlines()[0] if terraform else "absent: " + NEEDS_TERRAFORM
    return f"terraform: {version}"

"""Every values file, the reference's and ours: it renders, a real kube-apiserver takes it, and it says what it makes."""

import os

import pytest

import inference

FILES = inference.files()
# No public definition, or none that a package registry serves.
NOT_VALIDATED = {
    "apps.nvidia.com/v1alpha1/NIMCache": "NVIDIA NIM operator",
    "apps.nvidia.com/v1alpha1/NIMService": "NVIDIA NIM operator",
}


def test_the_reference_files_are_here():
    if not inference.REFERENCE.is_dir():
        pytest.skip(f"needs the reference's values files in {inference.REFERENCE}")
    assert sum(name.startswith("reference/") for name in FILES) == 11


def accepted(cluster, objects):
    made = {item["metadata"].get("namespace") for item in objects} - {None, "default"}
    for namespace in made:
        cluster.server.kubectl("create", "namespace", namespace, check=False)
    unknown = {f"{item['apiVersion']}/{item['kind']}" for item in objects if not cluster.knows(item)}
    assert unknown <= set(NOT_VALIDATED), f"the API server knows no {sorted(unknown)}"
    refusals = cluster.refusals([item for item in objects if cluster.knows(item)])
    assert not refusals, "\n".join(refusals)
    if unknown:
        pytest.skip("rendered, but not validated: " + ", ".join(f"{kind} ({NOT_VALIDATED[kind]})" for kind in unknown))


@pytest.mark.parametrize("name", FILES)
def test_a_real_api_server_takes_every_object_of_a_file(cluster, name):
    accepted(cluster, inference.objects(FILES[name]))


@pytest.mark.parametrize("name", FILES)
def test_a_file_makes_what_its_golden_summary_says(name):
    lines = "\n".join(inference.summary(inference.objects(FILES[name]))) + "\n"
    golden = inference.GOLDEN / f"{name.replace('/', '-')}.txt"
    if os.environ.get("SLIPWAY_UPDATE_GOLDEN") == "1":
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text(lines)
    assert golden.exists(), "run with SLIPWAY_UPDATE_GOLDEN=1 and read the new file"
    assert lines == golden.read_text()


def test_no_golden_summary_is_left_over():
    if inference.REFERENCE.is_dir():
        wanted = {f"{name.replace('/', '-')}.txt" for name in FILES}
        assert {file.name for file in inference.GOLDEN.glob("*.txt")} == wanted

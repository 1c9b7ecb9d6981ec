"""Every values file, the reference's and ours: it renders, a real kube-apiserver takes it, and it says what it makes."""

import os

import pytest

import inference

pytestmark = inference.needs_helm
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


@pytest.mark.parametrize("name", FILES)
def test_a_real_api_server_takes_every_object_of_a_file(models, name):
    """With strict fields, and with pods that a namespace of Pod Security level `restricted` takes without a warning."""
    objects = inference.objects(FILES[name])
    unknown = {f"{item['apiVersion']}/{item['kind']}" for item in objects if not models.knows(item)}
    assert unknown <= set(NOT_VALIDATED), f"the API server knows no {sorted(unknown)}"
    known = [item for item in objects if models.knows(item)]
    refusals = models.refusals(known) if known else []
    assert not refusals, "\n".join(refusals)
    if unknown:
        listed = ", ".join(f"{kind} ({NOT_VALIDATED[kind]})" for kind in sorted(unknown))
        pytest.skip(f"rendered, but not validated: {listed}")


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

import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parents[1] / "tools/observe"))
import tools_of    # noqa: E402


def tool(name):
    path, why = tools_of.find(name)
    if not path:
        pytest.skip(why)
    return lambda *words: subprocess.run([path, *map(str, words)], capture_output=True, text=True, check=False)


@pytest.fixture(scope="session")
def promtool():
    return tool("promtool")


@pytest.fixture(scope="session")
def amtool():
    return tool("amtool")

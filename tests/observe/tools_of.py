"""promtool, amtool and Prometheus of Debian 12, unpacked and not installed: an installed Prometheus would start a service of its own."""
import os
import pathlib
import shutil
import subprocess

CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "slipway-tests" / "prometheus"
PACKAGES = {"promtool": "prometheus", "prometheus": "prometheus", "amtool": "prometheus-alertmanager",
            "prometheus-alertmanager": "prometheus-alertmanager"}


def find(tool):
    """Path of the tool, or None and the reason. Looks at $SLIPWAY_PROMTOOL and the like, the cache, PATH; then fetches it."""
    named = os.environ.get(f"SLIPWAY_{tool.upper().replace('-', '_')}") or shutil.which(tool)
    unpacked = CACHE / "usr/bin" / tool
    if named:
        return named, ""
    if not unpacked.exists():
        why = unpack(PACKAGES[tool])
        if why:
            return None, why
    return str(unpacked), ""


def unpack(package):
    deb = CACHE / f"{package}.deb.d"
    deb.mkdir(parents=True, exist_ok=True)
    run = lambda *words: subprocess.run(words, cwd=deb, capture_output=True, text=True, check=False)    # noqa: E731
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        return f"needs {package} of Debian 12: set SLIPWAY_PROMTOOL and SLIPWAY_AMTOOL to the programs"
    done = run("apt-get", "download", "-q", package)
    if done.returncode:
        run("apt-get", "update", "-qq")
        done = run("apt-get", "download", "-q", package)
    for file in deb.glob("*.deb"):
        done = run("dpkg-deb", "-x", str(file), str(CACHE))
    shutil.rmtree(deb, ignore_errors=True)
    return "" if done.returncode == 0 else f"needs {package} of Debian 12, and it could not be fetched: {done.stderr.strip()[-200:]}"

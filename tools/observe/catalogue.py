"""Every metric that a query of ours may name: its type, its labels, its bucket bounds, and who says that it exists.

Ours come from src/telemetry (the table that the programs are built from), DCGM's from the list that our add-on gives its
exporter, everybody else's from tests/observe/metrics: recorded from a real /metrics where we could run the program, from
its documentation or source where not. The first line of each file says which.
"""
import dataclasses
import difflib
import pathlib
import re
import sys

try:
    import yaml
except ImportError:
    sys.exit("error: PyYAML is not installed for this Python\n"
             "  next: apt-get install python3-yaml, or pip install -r tests/observe/requirements.txt")

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Put on a series by whoever scrapes it. slipway_dev_model is the label slipway.dev/model of a model's pods: on a replica's
# series, never on the gateway's.
TARGET_LABELS = set("""job instance namespace pod container endpoint service node cluster prometheus slipway_dev_model
slipway_dev_framework ray_io_cluster exported_namespace exported_pod exported_container exported_node exported_job""".split())
DCGM_LABELS = """gpu UUID pci_bus_id device modelName hostname GPU_I_PROFILE GPU_I_ID DCGM_FI_DRIVER_VERSION err_code xid
window_size_in_ms""".split()


@dataclasses.dataclass
class Metric:
    name: str
    type: str
    labels: set
    bounds: list          # le values as they are printed, histograms only
    source: str
    open: bool = False    # it may have labels that its source does not list

    def has(self, label):
        return self.open or label in self.labels or label in TARGET_LABELS


class Catalogue:
    def __init__(self):
        self.metrics = {}

    def add(self, metric):
        known = self.metrics.get(metric.name)
        if known:    # process_cpu_seconds_total is everybody's
            metric.labels |= known.labels
            metric.open |= known.open
        self.metrics[metric.name] = metric

    def find(self, series):
        """(metric, part) of a series name; part is value, bucket, sum or count. None where nobody prints it."""
        if series in self.metrics:
            return self.metrics[series], "value"
        base, _, part = series.rpartition("_")
        metric = self.metrics.get(base)
        if metric and ((metric.type == "histogram" and part in ("bucket", "sum", "count")) or
                       (metric.type == "summary" and part in ("sum", "count"))):
            return metric, part
        return None

    def close_to(self, series):
        names = [m.name for m in self.metrics.values()]
        names += [f"{m.name}_{part}" for m in self.metrics.values() if m.type == "histogram" for part in ("bucket", "sum", "count")]
        return difflib.get_close_matches(series, names, 1, 0.6)


def le_text(number):
    """0.5 -> 0.5, 2 -> 2.0: how client libraries print a bound, and how Prometheus 3 writes down what it read."""
    return repr(float(number)) if float(number) < 1e15 else str(number)


def bucket_arrays(text):
    arrays = {}
    declared = r"constexpr (?:auto|std::array<double, 0>) (k\w+)\s*=?\s*(?:std::to_array<double>\()?\s*\{([^}]*)\}"
    for name, body in re.findall(declared, text):
        arrays[name] = [le_text(x) for x in body.replace("\n", " ").split(",") if x.strip()]
    return arrays


def ours(root):
    arrays = bucket_arrays((root / "src/telemetry/metrics.cc").read_text())
    source = "src/telemetry/metrics.def"
    row = re.compile(r'^SLIPWAY_METRIC\((\w+), "([^"]+)", (\w+), "([^"]*)", "([^"]*)", (k\w+), "(?:[^"\\]|\\.)*", "([^"]*)"\)', re.M)
    found = row.findall((root / source).read_text())
    if not found:
        raise SystemExit(f"error: no row of {source} could be read\n  next: mend tools/observe/catalogue.py, the table's form changed")
    for _, name, kind, _, labels, buckets, aliases in found:
        kind = "counter" if kind == "sampled" else kind
        yield Metric(name, kind, set(labels.split()), arrays[buckets] if kind == "histogram" else [], source)
        for alias in aliases.split():       # printed by our workers with vLLM's labels
            dropped = {alias.partition("{")[2].partition("=")[0]} - {""}
            renamed = {"model": "model_name", "finish_reason": "finished_reason"}
            kept = {renamed.get(x, x) for x in set(labels.split()) - dropped} | {"engine"}
            yield Metric(alias.partition("{")[0], kind, kept, arrays[buckets] if kind == "histogram" else [], source)


def symbols(root):
    """Our metric names by the symbol that the source sets them through."""
    text = (root / "src/telemetry/metrics.def").read_text()
    return dict(re.findall(r'^SLIPWAY_METRIC\((\w+), "([^"]+)"', text, re.M))


def dcgm(root):
    path = "platform/addons/dcgm-exporter/values.yaml"
    text = re.sub(r"\$\{\w+\}", "true", (root / path).read_text())
    for line in yaml.safe_load(text)["customMetrics"].splitlines():
        if line.strip():
            name, kind, _ = (x.strip() for x in line.split(",", 2))
            yield Metric(name, kind, set(DCGM_LABELS), [], path)


def recorded(path):
    for line in path.read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        name, kind, *labels = line.split()
        bounds = [x[3:].split(",") for x in labels if x.startswith("le=")]
        names = {x for x in labels if not x.startswith("le=") and x != "*"}
        yield Metric(name, kind, names, bounds[0] if bounds else [], path.name, "*" in labels)


def load(root=ROOT, lists=None):
    out = Catalogue()
    for path in sorted((lists or root / "tests/observe/metrics").glob("*.txt")):
        for metric in recorded(path):
            out.add(metric)
    for metric in list(dcgm(root)):
        out.add(metric)
    for metric in ours(root):
        known = out.metrics.get(metric.name)
        # vLLM prints the same name: a query must hold for both, so labels and bounds are what they have in common.
        if known and known.source.startswith("vllm"):
            metric.labels &= known.labels
            metric.bounds = [b for b in known.bounds if b in metric.bounds]
            metric.source += f" and {known.source}"
            out.metrics[metric.name] = metric
        else:
            out.add(metric)
    return out

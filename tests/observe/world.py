"""A /metrics in which everything that our queries ask for exists, made from the queries themselves.

Each selector of a panel or rule becomes a series that satisfies its matchers; labels that it does not name are "a". So all
joins have partners, and a query that stays empty asks for something that cannot be. Every scrape counts one further.
"""
import http.server
import json
import pathlib
import re
import threading

import catalogue
import promql
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCRAPERS = catalogue.TARGET_LABELS - {"exported_namespace", "exported_pod", "exported_container"}


def expressions():
    for path in (ROOT / "platform/dashboards").glob("*.json"):
        for panel in json.loads(path.read_text())["panels"]:
            yield from (t["expr"] for t in panel.get("targets", []) if "expr" in t)
    for path in (ROOT / "platform/alerts").glob("*.rules.yaml"):
        yield from (r["expr"] for g in yaml.safe_load(path.read_text())["groups"] for r in g["rules"])


def first_match(operator, value):
    """A label value that a matcher lets through."""
    if operator == "=":
        return value
    if operator in ("!=", "!~"):
        return "a"
    first = value.split("|")[0]
    return "a" if "$" in first or first in (".*", ".+") else first.replace(".*", "a").replace("4..", "404")


def series(known):
    """{metric: {labels}} of everything asked for; labels that a scrape puts on are left to the scrape."""
    out = {}
    for text in expressions():
        for selector in promql.selectors(promql.parse(re.sub(r"\$__\w+", "5m", text))):
            found = known.find(selector.name)
            if not found or found[0].name in ("up", "ALERTS") or found[0].name.startswith("scrape_"):
                continue
            labels = {name: "a" for name in found[0].labels}
            labels.update({n: first_match(o, v) for n, o, v in selector.matchers if n not in ("le", "quantile") and n not in SCRAPERS})
            if "quantile" in labels or found[0].type == "summary":
                labels["quantile"] = next((v for n, _, v in selector.matchers if n == "quantile"), "0.5")
            labels.pop("le", None)
            out.setdefault(found[0].name, (found[0], set()))[1].add(tuple(sorted(labels.items())))
    return out


def text(world, scrape):
    lines = []
    for name, (metric, sets) in world.items():
        kind = metric.type if metric.type in ("counter", "gauge", "histogram", "summary") else "untyped"
        lines.append(f"# TYPE {name} {kind}")
        for labels in sorted(sets):
            inner = ",".join(f'{k}="{v}"' for k, v in labels)
            if kind == "histogram":
                bounds = [b for b in metric.bounds if b != "+Inf"] + ["+Inf"]
                for i, bound in enumerate(bounds):
                    lines.append(f'{name}_bucket{{{inner}{"," if inner else ""}le="{bound}"}} {scrape * (i + 1)}')
                lines += [f"{name}_{part}{{{inner}}} {scrape * len(bounds)}" for part in ("sum", "count")]
            elif kind == "summary":
                rest = ",".join(f'{k}="{v}"' for k, v in labels if k != "quantile")
                lines += [f"{name}{{{inner}}} 1", f"{name}_sum{{{rest}}} {scrape}", f"{name}_count{{{rest}}} {scrape}"]
            else:
                lines.append(f"{name}{{{inner}}} {scrape if kind == 'counter' else 1}")
    return "\n".join(dict.fromkeys(lines)) + "\n"


class Server:
    """Serves the world on a free port of 127.0.0.1 until closed."""

    def __init__(self, known):
        world, scrapes = series(known), {}

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                scrapes[self.path] = scrapes.get(self.path, 0) + 1
                body = text(world, 10 * scrapes[self.path]).encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.http.server_address[1]
        self.world = world
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def close(self):
        self.http.shutdown()
        self.http.server_close()

"""Faults on request: throttling, 5xx, expired credentials, rules for single operations, tags that appear late.

Shares are drawn from a seeded generator, so that a run can be repeated; nothing here looks at a clock.
"""
import random
import threading

from .wire import failed

THROTTLED = {"ec2": (503, "RequestLimitExceeded"), "s3": (503, "SlowDown"), "eks": (429, "ThrottlingException")}
EXPIRED = {"ec2": (400, "RequestExpired"), "s3": (400, "ExpiredToken")}
DEFAULTS = {
    "seed": 1,
    "throttle_share": 0.0,      # of all calls: refused as too many
    "server_error_share": 0.0,  # of all calls: 500
    "expire_after_calls": 0,    # after n more calls the access key then in use has expired; another key works
    "tags_lag_calls": 0,        # a query by tag misses what it would find, this many times
    "cluster_polls": 1,         # DescribeCluster answers CREATING or DELETING this often first
    "nodegroup_failure": "",    # a health code: every new node group fails with it, as when there is no capacity
    "log_group_comes_back": False,  # the control plane writes late: deleting its log group brings it back once, untagged
    "rules": [],                # [{service, operation, status, code, message, times}]: times < 0 means for ever
}


class Faults:
    def __init__(self, initial=None):
        self.lock = threading.Lock()
        self.set({**DEFAULTS, **(initial or {})})

    def set(self, changes):
        with self.lock:
            unknown = set(changes) - set(DEFAULTS)
            if unknown:
                raise ValueError(f"unknown switches: {', '.join(sorted(unknown))}; known: {', '.join(DEFAULTS)}")
            self.values = {**getattr(self, "values", DEFAULTS), **changes}
            if "seed" in changes:
                self.random = random.Random(changes["seed"])
            if "expire_after_calls" in changes:
                self.expired, self.until_expiry = set(), changes["expire_after_calls"]
            self.lag_seen = {}
            self.calls, self.injected = getattr(self, "calls", {}), getattr(self, "injected", {})
            return dict(self.values)

    def __getitem__(self, name):
        return self.values[name]

    def reset_counts(self):
        with self.lock:
            self.calls, self.injected = {}, {}

    def _inject(self, request, kind, status, code, message):
        self.injected[kind] = self.injected.get(kind, 0) + 1
        return failed(request, status, code, message)

    def answer(self, request):
        """An error reply to give instead of the real one, or None."""
        with self.lock:
            name = f"{request.service}:{request.operation}"
            self.calls[name] = self.calls.get(name, 0) + 1
            if self.until_expiry > 0:
                self.until_expiry -= 1
                if self.until_expiry == 0:
                    self.expired.add(request.access_key)
            if request.access_key in self.expired:
                status, code = EXPIRED.get(request.service, (403 if request.fields else 400, "ExpiredToken" if request.fields else "ExpiredTokenException"))
                return self._inject(request, "expired", status, code, "The security token included in the request is expired")
            for rule in self.values["rules"]:
                if rule.get("times", 1) == 0 or rule["service"] != request.service or rule["operation"] != request.operation:
                    continue
                rule["times"] = rule.get("times", 1) - 1
                return self._inject(request, rule["code"], rule.get("status", 400), rule["code"], rule.get("message", rule["code"]))
            draw = self.random.random()
            if draw < self.values["throttle_share"]:
                status, code = THROTTLED.get(request.service, (400, "Throttling" if request.fields else "ThrottlingException"))
                return self._inject(request, "throttled", status, code, "Rate exceeded")
            if draw < self.values["throttle_share"] + self.values["server_error_share"]:
                return self._inject(request, "server_error", 500, "InternalError", "An internal error has occurred")
            return None

    def tag_query_misses(self, key):
        """True while a query by tag must not find anything yet."""
        with self.lock:
            seen = self.lag_seen.get(key, 0)
            self.lag_seen[key] = seen + 1
            return seen < self.values["tags_lag_calls"]

"""The one world that the fake programs act on: an account and a cluster in a JSON file, and the faults that befall them.

Everything that a program changes is saved before it ends, so that killing anything at any point leaves what really was done.
"""
import fcntl
import json
import os
import random
import signal
import sys

ACCOUNT = "111122223333"
FILE = os.path.join(os.environ["HOME"], "world.json")


class World:
    """Loaded under a lock that lasts as long as the program: calls are atomic, as those of a real API are."""

    def __enter__(self):
        self.handle = open(FILE, "r+")
        fcntl.flock(self.handle, fcntl.LOCK_EX)
        self.data = json.load(self.handle)
        return self

    def save(self):
        self.handle.seek(0)
        self.handle.truncate()
        json.dump(self.data, self.handle)
        self.handle.flush()

    def __exit__(self, *_):
        self.save()
        self.handle.close()

    @property
    def things(self):
        return self.data["things"]

    @property
    def faults(self):
        return self.data["faults"]

    def of(self, kind):
        return [t for t in self.things.values() if t["kind"] == kind]

    def make(self, kind, ident, tags=None, **attributes):
        self.things[f"{kind}/{ident}"] = {"kind": kind, "id": ident, "tags": tags or {}, "made_at": self.data["calls"], **attributes}

    def drop(self, kind, ident):
        return self.things.pop(f"{kind}/{ident}", None)

    def new_id(self, prefix):
        self.data["ids"] += 1
        return f"{prefix}-{self.data['ids']:08d}"

    def call(self):
        """Counts a call to AWS; the fault that it meets, or None."""
        self.data["calls"] += 1
        expire = self.faults.get("expire_after")
        if expire and self.data["calls"] > expire:
            return "ExpiredToken", "The security token included in the request is expired"
        dice = random.Random(self.faults.get("seed", 0) * 100003 + self.data["calls"]).random()
        throttle = self.faults.get("throttle", 0)
        if dice < throttle:
            return "ThrottlingException", "Rate exceeded"
        if dice < throttle + self.faults.get("server", 0):
            return "InternalFailure", "An internal error has occurred"
        return None

    def count(self, name):
        """How often a program did something that must not be done twice."""
        self.data["done"][name] = self.data["done"].get(name, 0) + 1

    def die_if(self, name):
        """kill -9 of this very program, once, where the fault asks for it."""
        if self.faults.get("die") == name:
            del self.faults["die"]
            self.save()
            os.kill(os.getpid(), signal.SIGKILL)


def end(code, out="", err=""):
    sys.stdout.write(out)
    sys.stderr.write(err)
    sys.exit(code)

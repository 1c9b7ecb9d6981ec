"""The one world that the fake programs act on: an account and a cluster in a JSON file, and the faults that befall them."""
import json
import os
import random

ACCOUNT = "111122223333"


class Ended(Exception):
    """How a program ended: its exit code, or "killed"; what it said last, on both channels."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err


def end(code, out="", err=""):
    raise Ended(code, out, err)


class World:
    """Loaded for one call and saved at its end, whatever that was: killing a program leaves what it really did."""

    def __init__(self, folder):
        self.file = os.path.join(folder, "world.json")
        self.said = []

    def __enter__(self):
        with open(self.file) as handle:
            self.data = json.load(handle)
        return self

    def __exit__(self, *_):
        with open(self.file + ".new", "w") as handle:
            json.dump(self.data, handle)
        os.rename(self.file + ".new", self.file)

    def say(self, text):
        self.said.append(text)

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

    def call(self, words):
        """Counts a call to AWS; the fault that it meets, or None. Dice fall by what is asked and how often, not by the order of calls:
        several are made at the same time, and a seed must give the same faults again."""
        self.data["calls"] += 1
        expire = self.faults.get("expire_after")
        if expire and self.data["calls"] > expire:
            return "ExpiredToken", "The security token included in the request is expired"
        asked = self.data["asked"]
        asked[words] = asked.get(words, 0) + 1
        dice = random.Random(f"{self.faults.get('seed', 0)} {asked[words]} {words}").random()
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
            end("killed")

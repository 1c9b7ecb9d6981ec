"""A fake kubectl over objects in the world; deleting what a controller made in the account needs that controller."""
import json
import re

from world import end

SINGULAR = {"services": "Service", "statefulsets": "StatefulSet", "persistentvolumeclaims": "PersistentVolumeClaim", "persistentvolumes": "PersistentVolume",
            "nodepools.karpenter.sh": "NodePool", "nodeclaims.karpenter.sh": "NodeClaim", "ec2nodeclasses.karpenter.k8s.aws": "EC2NodeClass"}
# Who removes the finalizer of a kind: release, and what it deletes in the account.
CONTROLLERS = {"Service": "kube-system/aws-load-balancer-controller", "NodeClaim": "karpenter/karpenter", "PersistentVolumeClaim": "kube-system/ebs-csi-driver"}


def refs(text):
    """kind, namespace, name of each object in YAML or JSON."""
    if text.lstrip().startswith("{"):
        one = json.loads(text)
        yield one["kind"], one["metadata"].get("namespace", ""), one["metadata"]["name"]
        return
    for document in re.split(r"(?m)^---", text):
        kind, name = re.search(r"(?m)^kind: (\S+)", document), re.search(r"(?m)^  name: (\S+)", document)
        space = re.search(r"(?m)^  namespace: (\S+)", document)
        if kind and name:
            yield kind[1], space[1] if space else "", name[1]


def healthy(kind, name, space):
    return {"kind": kind, "metadata": {"name": name, "namespace": space, "generation": 1}, "spec": {"replicas": 1},
            "status": {"availableReplicas": 1, "readyReplicas": 1, "desiredNumberScheduled": 1, "numberReady": 1, "phase": "RUNNING",
                       "conditions": [{"type": "Ready", "status": "True"}, {"type": "Established", "status": "True"}]}}


def look(world, kind, space, name):
    """An object: one that was applied, or one that an installed add-on has by its health list."""
    found = world.data["objects"].get(f"{kind}/{space}/{name}")
    if found is not None:
        return healthy(kind, name, space) | found
    for by, where in world.data["health"].get(f"{kind}/{space}/{name}", []):
        if (by == "release" and world.data["releases"].get(where, {}).get("status") == "deployed") or (by == "applied" and where in world.data["applied"]):
            return healthy(kind, name, space)
    return None


def delete(world, kind, space, name):
    key = f"{kind}/{space}/{name}"
    found = world.data["objects"].get(key)
    if found is None:
        return 0, ""
    if found.get("finalizer", kind in CONTROLLERS and "thing" in found):
        if world.faults.get("stuck") == kind or world.data["releases"].get(CONTROLLERS.get(kind), {}).get("status") != "deployed":
            return 1, f"error: timed out waiting for the condition on {key}\n"
    if found.get("thing"):
        world.things.pop(found["thing"], None)
        for volume in world.of("ec2/volume"):
            if "ec2/instance/" + volume.get("instance", "") == found["thing"]:
                volume["state"] = "available"
        for other in found.get("with", []):
            world.things.pop(other, None)
    del world.data["objects"][key]
    return 0, ""


def main(world, arguments, manifests):
    if arguments[0] == "version":
        end(0, "Client Version: v1.35.2\n")
    space = next((a.split("=", 1)[1] for a in arguments if a.startswith("--namespace=")), "")
    if not world.data["api_alive"]:
        end(1, err="Unable to connect to the server: dial tcp 10.0.0.1:443: i/o timeout\n")
    if arguments[:3] == ["get", "--raw", "/readyz"]:
        end(0, "ok")
    verb, kind = arguments[0], SINGULAR.get(arguments[1], arguments[1])
    if verb == "apply":
        source = arguments[arguments.index("-f") + 1]
        if source != "-":
            world.data["applied"][source] = True
            end(0)
        for kind, where, name in refs(manifests):
            world.data["objects"].setdefault(f"{kind}/{where}/{name}", {})
            world.data["applied"][f"{kind}/{where}/{name}"] = True
        end(0)
    if verb == "get" and "--all-namespaces" in arguments:
        found = [k.split("/", 2) for k in world.data["objects"] if k.startswith(kind + "/")]
        end(0, json.dumps({"items": [healthy(k, n, s) | world.data["objects"][f"{k}/{s}/{n}"] for k, s, n in found]}))
    name = arguments[2]
    if verb == "get":
        found = look(world, kind, space, name)
        end(0, json.dumps(found)) if found else end(1, err=f'Error from server (NotFound): {kind} "{name}" not found\n')
    if verb == "delete":
        code, words = delete(world, kind, space, name)
        end(code, err=words)
    if verb == "patch":
        found = world.data["objects"].get(f"{kind}/{space}/{name}")
        if found is not None:  # without its controller, what it made stays in the account
            found.pop("thing", None)
            found["finalizer"] = False
        end(0)
    end(1, err=f"the fake kubectl does not know {verb}\n")

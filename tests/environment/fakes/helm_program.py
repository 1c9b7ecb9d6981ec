"""A fake Helm: releases with their states, pending ones refused as the real one does."""
import json

from world import end


def option(arguments, name):
    return arguments[arguments.index(name) + 1] if name in arguments else ""


def main(world, arguments, values):
    if arguments[0] == "version":
        end(0, "v3.19.0+g3d8990f\n")
    verb = arguments[0]
    if verb == "show":
        end(0)
    if not world.data["api_alive"]:
        end(1, err="Error: Kubernetes cluster unreachable: dial tcp: i/o timeout\n")
    releases, space = world.data["releases"], option(arguments, "--namespace")
    if verb == "list":
        name = option(arguments, "--filter").strip("^$")
        found = releases.get(f"{space}/{name}")
        end(0, json.dumps([{"name": name, "status": found["status"], "chart": found["chart"]}] if found else []))
    if verb == "upgrade":
        name, key = arguments[2], f"{space}/{arguments[2]}"
        before = releases.get(key)
        if before and before["status"].startswith("pending"):
            end(1, err="Error: UPGRADE FAILED: another operation (install/upgrade/rollback) is in progress\n")
        releases[key] = {"status": "pending-upgrade" if before else "pending-install", "chart": f"{name}-{option(arguments, '--version')}"}
        world.die_if(f"helm {name}")
        if "${" in values.replace("${UPPER_CASE}", ""):
            end(1, err=f"Error: a value was not filled in: {values}\n")
        releases[key]["status"] = "deployed"
        world.count(f"install {name}")
        end(0)
    if verb == "rollback":
        releases[f"{space}/{arguments[1]}"]["status"] = "deployed"
        end(0)
    if verb == "uninstall":
        if not releases.pop(f"{space}/{arguments[1]}", None):
            end(1, err=f"Error: uninstall: Release not loaded: {arguments[1]}: release: not found\n")
        end(0)
    end(1, err=f"the fake Helm does not know {verb}\n")

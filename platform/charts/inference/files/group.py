"""Joins the pods of one LeaderWorkerSet group into a Ray cluster, for vLLM versions that span nodes only with Ray.

    group.py lead -- COMMAND...   starts the head, waits for every worker, then becomes COMMAND
    group.py join                 a worker: joins the head and stays until it goes

LeaderWorkerSet gives LWS_LEADER_ADDRESS and LWS_GROUP_SIZE. A group that is not complete in time exits, and is made anew
as a whole.
"""

import os
import subprocess
import sys
import time

PORT = 6379
JOIN_WITHIN_S = int(os.environ.get("SLIPWAY_GROUP_TIMEOUT_S", "1800"))
ADDRESS = f"--node-ip-address={os.environ.get('VLLM_HOST_IP', '')}"


def nodes():
    import ray

    ray.init(address="auto", logging_level="ERROR")
    alive = sum(1 for node in ray.nodes() if node["Alive"])
    ray.shutdown()
    return alive


def lead(command):
    subprocess.run(["ray", "start", "--head", f"--port={PORT}", "--disable-usage-stats", ADDRESS], check=True)
    wanted, deadline = int(os.environ["LWS_GROUP_SIZE"]), time.monotonic() + JOIN_WITHIN_S
    while (here := nodes()) < wanted:
        if time.monotonic() > deadline:
            print(f"{here} of {wanted} pods joined within {JOIN_WITHIN_S} s", file=sys.stderr)
            return 1
        time.sleep(2)
    os.execvp(command[0], command)


def join():
    head = f"{os.environ['LWS_LEADER_ADDRESS']}:{PORT}"
    deadline = time.monotonic() + JOIN_WITHIN_S
    while True:
        started = time.monotonic()
        code = subprocess.run(["ray", "start", f"--address={head}", "--block", ADDRESS], check=False).returncode
        # A head that is not up yet refuses at once; one that was joined and went ends the group.
        if time.monotonic() - started > 60 or time.monotonic() > deadline:
            return code or 1
        time.sleep(2)


def main(arguments):
    if arguments[:2] == ["lead", "--"] and len(arguments) > 2:
        return lead(arguments[2:])
    if arguments == ["join"]:
        return join()
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

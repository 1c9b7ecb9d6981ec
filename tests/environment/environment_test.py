"""`slipway up` and `slipway down` on fake programs: killed at every record, throttled, expired, with a dead API. The next run ends the same."""
import base64
import concurrent.futures
import contextlib
import hashlib
import http.server
import json
import os
import pty
import pwd
import socket
import sqlite3
import subprocess
import threading
import unittest

from harness import BIN, BLUEPRINT, KILLED, World

WORKERS = max(2, (os.cpu_count() or 2))


def words(ran):
    return f"exit {ran.returncode}\n{ran.stdout}\n{ran.stderr}"


class ClusterApi:
    """Takes objects by PATCH and gives them back, as much as `secret` needs of a cluster."""

    def __enter__(self):
        self.objects = objects = {}

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self, code, body):
                text = json.dumps(body).encode()
                self.send_response(code)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def do_PATCH(self):
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                objects[self.path.split("?")[0]] = body
                self.answer(200, body)

            def do_GET(self):
                path = self.path.split("?")[0]
                if path.endswith("/secrets"):
                    only = "PartialObjectMetadataList" in self.headers["accept"]
                    return self.answer(200, {"items": [{"metadata": o["metadata"]} if only else o for p, o in objects.items() if "/secrets/" in p]})
                if path in objects:
                    return self.answer(200, objects[path])
                return self.answer(404, {"kind": "Status", "code": 404, "reason": "NotFound", "message": "not found"})

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def kubeconfig(self):
        return json.dumps({
            "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{self.server.server_address[1]}"}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "users": [{"name": "u", "user": {"token": "of-the-cluster"}}],
        })


class Environment(unittest.TestCase):
    def world(self, **options):
        world = World(**options)
        self.addCleanup(world.close)
        return world

    def well(self, ran):
        self.assertEqual(ran.returncode, 0, words(ran))
        return ran

    def made(self):
        world = self.world()
        self.well(world.up())
        return world

    def once_each(self, world):
        """Nothing that AWS would have let us make twice was made twice."""
        twice = {name: n for name, n in world.read()["done"].items() if n > 1 and not name.startswith("install ")}
        self.assertEqual(twice, {})

    def nothing_left(self, world, ran):
        receipt = json.loads(ran.stdout)
        self.assertEqual(receipt["left"], [], words(ran))
        self.assertFalse(receipt["billable"])
        left = [key for key, t in world.read()["things"].items() if t.get("state") != "PendingDeletion"]
        self.assertEqual(left, [])
        pending = [t["id"] for t in world.read()["things"].values()]
        self.assertEqual(sorted(k["id"] for k in receipt["keys_pending_deletion"]), sorted(pending))

    # -- the straight way ----------------------------------------------------------------------------------------------

    def test_up_makes_everything_and_prints_how_to_reach_it(self):
        world = self.world()
        ran = self.well(world.up())
        self.assertIn("aws eks update-kubeconfig", ran.stdout)
        things = world.shape()["things"]
        self.assertIn("eks/cluster", things)
        self.once_each(world)

    def test_a_second_up_changes_nothing(self):
        world = self.made()
        before, done = world.shape(), world.read()["done"]
        ran = self.well(world.up())
        self.assertEqual(world.shape(), before)
        self.assertEqual(world.read()["done"], done, words(ran))

    def test_down_leaves_nothing_and_lists_keys_that_wait(self):
        world = self.made()
        self.nothing_left(world, self.well(world.down()))
        self.assertIn("was taken down", self.well(world.run("status", "--environment", "inference")).stdout)

    def test_state_in_s3_is_made_first_and_removed_last(self):
        world = self.world(blueprint=BLUEPRINT + 'state = "s3"\n')
        self.well(world.up())
        self.assertIn("s3/bucket", world.shape()["things"])
        self.nothing_left(world, self.well(world.down()))

    # -- the token ------------------------------------------------------------------------------------------------------

    def test_the_token_goes_to_secrets_manager_and_the_cluster_and_stands_nowhere_else(self):
        world, canary = self.made(), "hf_canaryThatStandsNowhereElse"
        with ClusterApi() as api:
            (world.folder / "slipway/state/inference/kubeconfig").write_text(api.kubeconfig())
            ran = self.well(world.run("secret", "set", "hf-token", "--file", "-", "--environment", "inference", stdin=canary + "\n"))
            listed = self.well(world.run("secret", "list", "--environment", "inference"))
        self.assertIn("Secrets Manager slipway/inference/huggingface-token", ran.stdout)
        kept = world.read()["things"]["secretsmanager/secret/slipway/inference/huggingface-token"]
        self.assertEqual(kept["digest"], hashlib.sha256(canary.encode()).hexdigest())
        secret = api.objects["/api/v1/namespaces/models/secrets/hf-token"]["data"]
        self.assertEqual({k: base64.b64decode(v).decode() for k, v in secret.items()}, {"token": canary, "HF_TOKEN": canary})
        self.assertNotIn(canary, words(ran) + words(listed))
        # The fake programs write down how they were called; so would a list of processes.
        held = [f for f in world.folder.rglob("*") if f.is_file() and (canary in (text := f.read_bytes().decode(errors="replace"))
                                                                      or base64.b64encode(canary.encode()).decode() in text)]
        self.assertEqual(held, [])

    def test_a_token_that_is_typed_on_a_terminal_is_not_shown(self):
        world, canary = self.world(), "hf_canaryThatStandsNowhereElse"
        terminal, end = pty.openpty()
        child = subprocess.Popen([BIN, "secret", "set", "hf-token"], env=world.variables(), stdin=end, stdout=end, stderr=end)
        os.close(end)
        shown = b""
        while b"not shown" not in shown:
            shown += os.read(terminal, 4096)
        os.write(terminal, canary.encode() + b"\n")
        with contextlib.suppress(OSError):  # how a terminal says that its other end is closed
            while piece := os.read(terminal, 4096):
                shown += piece
        os.close(terminal)
        self.assertEqual(child.wait(), 0, shown)
        self.assertNotIn(canary.encode(), shown)
        file = world.folder / "slipway/config/hf-token"
        self.assertEqual(file.read_text(), canary + "\n")
        self.assertEqual(file.stat().st_mode & 0o777, 0o600)

    def test_a_token_that_the_cloud_refuses_is_not_quoted(self):
        world, canary = self.made(), "hf_canaryThatStandsNowhereElse"
        world.faults(expire_after=world.read()["calls"] + 1)  # the first asks who we are
        ran = world.run("secret", "set", "hf-token", "--file", "-", "--environment", "inference", stdin=canary)
        self.refused(ran, "E6008", 5)
        self.assertNotIn(canary, words(ran))

    # -- killed at every record -----------------------------------------------------------------------------------------

    def killed_at(self, start, verb, seq, expected):
        """What differs from `expected` after a run that dies at record `seq` and the next one; empty when nothing does."""
        world = World(copy_of=start)
        try:
            dead = getattr(world, verb)(kill_at=seq)
            if dead.returncode != KILLED:
                return f"record {seq}: was not killed: {words(dead)}"
            again = getattr(world, verb)()
            if again.returncode != 0:
                return f"record {seq}: the next run failed: {words(again)}"
            if world.shape() != expected:
                return f"record {seq}: {world.shape()} instead of {expected}"
            twice = {n: c for n, c in world.read()["done"].items() if c > 1 and not n.startswith("install ")}
            if twice:
                return f"record {seq}: made twice: {twice}"
            if verb == "down" and json.loads(again.stdout)["left"]:
                return f"record {seq}: {again.stdout}"
            return ""
        finally:
            world.close()

    def kill_everywhere(self, start, verb, step=1):
        whole = World(copy_of=start)
        self.addCleanup(whole.close)
        before = max((r[0] for r in whole.records()), default=0) if (whole.folder / "slipway/state").exists() else 0
        self.well(getattr(whole, verb)())
        expected, last = whole.shape(), whole.records()[-1][0]
        self.assertGreater(last, before)
        with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
            found = [f for f in pool.map(lambda seq: self.killed_at(start, verb, seq, expected), range(before + 1, last + 1, step)) if f]
        print(f"{verb}: killed at {len(range(before, last, step))} records, {len(found)} ended differently", flush=True)
        self.assertEqual(found, [])

    def test_up_killed_at_every_record_ends_in_the_same_world(self):
        self.kill_everywhere(self.world(), "up")

    def test_down_killed_at_every_record_leaves_nothing(self):
        self.kill_everywhere(self.made(), "down")


    # -- what the cloud does to us --------------------------------------------------------------------------------------

    def refused(self, ran, code, exit_code, *said):
        self.assertEqual(ran.returncode, exit_code, words(ran))
        for part in (code, *said):
            self.assertIn(part, ran.stderr + ran.stdout)
        return ran

    def test_throttling_and_server_errors_at_a_fifth_of_the_calls_change_nothing_but_time(self):
        calm = self.made().shape()
        for seed in range(3):
            with self.subTest(seed=seed):
                world = self.world()
                world.faults(throttle=0.1, server=0.1, seed=seed)
                self.well(world.up())
                self.assertEqual(world.shape(), calm)
                self.once_each(world)
                self.nothing_left(world, self.well(world.down()))

    def test_tags_that_appear_late_hide_nothing(self):
        world = self.world(blueprint=BLUEPRINT + 'state = "s3"\n')
        world.faults(tags_lag=10_000)
        self.well(world.up())
        self.nothing_left(world, self.well(world.down()))

    def test_expired_credentials_say_so_and_the_next_run_goes_on(self):
        world = self.world()
        world.faults(expired_in_apply="aws_nat_gateway.this")
        self.refused(world.up(), "E6008", 5, "Log in again")
        world.faults()
        self.well(world.up())
        self.once_each(world)

    def test_credentials_that_expire_after_any_number_of_calls_never_lose_anything(self):
        for calls in (1, 3, 5, 8, 13):
            with self.subTest(calls=calls):
                world = self.world(blueprint=BLUEPRINT + 'state = "s3"\n')
                world.faults(expire_after=calls)
                self.assertEqual(world.up().returncode, 5)
                world.faults()
                self.well(world.up())
                self.once_each(world)

    def test_missing_capacity_says_what_to_do(self):
        world = self.world()
        world.faults(capacity="aws_eks_node_group.core")
        self.refused(world.up(), "E6014", 1, "InsufficientInstanceCapacity", "next:")
        world.faults()
        self.well(world.up())
        self.once_each(world)

    def test_terraform_killed_between_making_and_writing_down_is_taken_over(self):
        for address in ("aws_iam_role.cluster", "aws_eks_cluster.this", "aws_cloudwatch_log_group.cluster", "aws_launch_template.core",
                        "aws_security_group.node", "aws_sqs_queue.interruption"):
            with self.subTest(address=address):
                world = self.world()
                world.faults(die=f"after create {address}")
                self.assertNotEqual(world.up().returncode, 0)
                self.well(world.up())
                self.assertEqual(world.read()["done"].get("import " + address), 1)
                self.once_each(world)
                self.nothing_left(world, self.well(world.down()))

    def test_a_state_that_could_not_be_saved_is_pushed_and_the_run_goes_on(self):
        for store in ("local", "s3"):
            with self.subTest(store=store):
                world = self.world(blueprint=BLUEPRINT + f'state = "{store}"\n')
                world.faults(state_cannot_be_saved=True)
                self.well(world.up())
                self.assertEqual(world.read()["done"].get("state push"), 1)
                self.once_each(world)
                self.nothing_left(world, self.well(world.down()))

    def test_a_run_that_died_with_an_unsaved_state_leaves_it_to_the_next(self):
        unsaved = {"state_cannot_be_saved": True}
        whole = self.world()
        whole.faults(**unsaved)
        self.well(whole.up())
        refused = next(seq for seq, step, phase in whole.records() if (step, phase) == ("terraform/apply", "failed"))
        world = self.world()
        world.faults(**unsaved)
        self.assertEqual(world.up(kill_at=refused).returncode, KILLED)
        self.assertNotIn("state push", world.read()["done"])
        self.well(world.up())
        self.assertEqual(world.read()["done"].get("state push"), 1)
        self.once_each(world)

    def test_a_lock_that_our_dead_run_left_is_removed_and_a_foreign_one_is_not(self):
        world = self.world(blueprint=BLUEPRINT + 'state = "s3"\n')
        world.faults(die="after create aws_vpc.this")
        self.assertNotEqual(world.up().returncode, 0)
        world.change(lock_who="ann@elsewhere")
        self.refused(world.up(), "E6010", 4, "ann@elsewhere")
        world.change(lock_who=f"{pwd.getpwuid(os.getuid()).pw_name}@{socket.gethostname()}")
        self.well(world.up())

    def test_helm_killed_in_the_middle_of_a_release_is_put_right(self):
        world = self.world()
        world.faults(die="helm karpenter")
        self.assertNotEqual(world.up().returncode, 0)
        self.well(world.up())
        self.assertEqual(set(world.shape()["releases"].values()), {"deployed"})

    # -- what people do to it --------------------------------------------------------------------------------------------

    def test_another_account_is_refused_before_anything(self):
        world = self.made()
        world.change(account="999999999999")
        before = world.shape()
        self.refused(world.down(), "E6012", 4, "111122223333")
        self.refused(world.up(), "E6012", 4, "111122223333")
        self.assertEqual(world.shape(), before)

    def test_destroying_needs_the_name(self):
        world = self.made()
        before = world.shape()
        self.refused(world.run("down", "inference", "--yes"), "E5008", 2, "--confirm inference")
        self.refused(world.run("down", "inference", "--confirm", "other"), "E5008", 2)
        self.assertEqual(world.shape(), before)

    def test_a_protected_environment_stays(self):
        world = self.world(blueprint=BLUEPRINT + "protected = true\n")
        self.well(world.up())
        self.refused(world.run("down", "inference", "--confirm", "inference"), "E6017", 4)

    def test_an_environment_that_nobody_knows_is_named(self):
        self.refused(self.world().run("down", "nowhere", "--confirm", "nowhere"), "E6020", 4, "-f FILE")

    def test_two_versions_at_once_are_refused_and_one_is_raised(self):
        world = self.world(blueprint=BLUEPRINT.replace("1.35", "1.33"))
        self.well(world.up())
        blueprint = world.folder / "env.tfvars"
        blueprint.write_text(BLUEPRINT)
        self.refused(world.up(), "E6001", 2, "1.34")
        blueprint.write_text(BLUEPRINT.replace("1.35", "1.34"))
        self.well(world.up())
        self.assertEqual(world.read()["things"]["eks/cluster/inference"]["version"], "1.34")
        self.once_each(world)

    def test_a_small_quota_stops_before_anything_with_the_command_that_asks_for_more(self):
        world = self.world()
        world.change(quotas={"L-1216C47A": 1.0})
        self.refused(world.up(), "E6005", 4, "aws service-quotas request-service-quota-increase")
        self.assertEqual(world.shape()["things"], [])

    def test_a_budget_that_the_plan_exceeds_stops_before_anything(self):
        world = self.world(blueprint=BLUEPRINT + "monthly_budget_usd = 10\n")
        self.refused(world.up(), "E6006", 4, "10.00")
        self.assertEqual(world.shape()["things"], [])

    def test_state_of_a_newer_version_is_refused(self):
        world = self.made()
        with sqlite3.connect(world.folder / "slipway/state/inference/journal.db") as database:
            database.execute("PRAGMA user_version = 99")
        self.refused(world.up(), "E6011", 4)

    # -- teardown of what controllers made -------------------------------------------------------------------------------

    def planted(self, alive):
        """An environment in use: load balancers, volumes and nodes that no Terraform knows."""
        world = self.made()
        data = world.read()
        vpc = next(t["id"] for t in data["things"].values() if t["kind"] == "ec2/vpc")
        tag = {"kubernetes.io/cluster/inference": "owned"}

        def thing(kind, ident, tags=tag, **more):
            data["things"][f"{kind}/{ident}"] = {"kind": kind, "id": ident, "tags": tags, "made_at": 0, **more}
            return f"{kind}/{ident}"

        arn = "arn:aws:elasticloadbalancing:us-west-2:111122223333:"
        balancer = thing("elb/load-balancer", arn + "loadbalancer/net/web/1", {"elbv2.k8s.aws/cluster": "inference"}, vpc=vpc)
        group = thing("elb/target-group", arn + "targetgroup/web/1", {"elbv2.k8s.aws/cluster": "inference"}, vpc=vpc)
        interface = thing("ec2/network-interface", "eni-balancer", {}, vpc=vpc, state="in-use", owner="balancer")
        thing("ec2/network-interface", "eni-lost", {}, vpc=vpc, state="available")
        thing("ec2/security-group", "sg-balancer", vpc=vpc, name="k8s-web")
        volume = thing("ec2/volume", "vol-claimed", size=50, state="in-use", instance="i-karpenter")
        thing("ec2/volume", "vol-lost", size=20, state="available")
        thing("ec2/snapshot", "snap-lost", size=20)
        node = thing("ec2/instance", "i-karpenter", vpc=vpc)
        thing("logs/log-group", "/aws/eks/inference/late")
        thing("iam/instance-profile", "inference_1234")
        data["objects"] |= {"Service/web/web": {"spec": {"type": "LoadBalancer"}, "thing": balancer, "with": [group, interface]},
                            "PersistentVolumeClaim/web/data": {"thing": volume}, "NodeClaim//general-1": {"thing": node},
                            "StatefulSet/web/db": {}, "NodePool//general-purpose": {}}
        data["api_alive"] = alive
        world.write(data)
        return world

    def test_what_controllers_made_goes_with_them(self):
        world = self.planted(alive=True)
        self.nothing_left(world, self.well(world.down()))

    def test_with_a_dead_api_everything_goes_too(self):
        world = self.planted(alive=False)
        ran = self.well(world.down())
        self.nothing_left(world, ran)
        self.assertIn("does not answer", ran.stderr)

    def test_stuck_finalizers_do_not_stop_it(self):
        for kind in ("Service", "NodeClaim", "PersistentVolumeClaim"):
            with self.subTest(kind=kind):
                world = self.planted(alive=True)
                world.faults(stuck=kind)
                self.nothing_left(world, self.well(world.down()))

    def test_without_terraforms_state_everything_goes_by_tag(self):
        world = self.planted(alive=False)
        (world.folder / "slipway/state/inference/terraform.tfstate").unlink()
        self.nothing_left(world, self.well(world.down()))

    def test_another_environments_things_stay(self):
        world = self.planted(alive=True)
        data = world.read()
        mine = {"slipway.dev/environment": "other"}
        data["things"]["ec2/vpc/vpc-other"] = {"kind": "ec2/vpc", "id": "vpc-other", "tags": mine, "made_at": 0}
        data["things"]["iam/role/inference-us-west-2-x"] = {"kind": "iam/role", "id": "inference-us-west-2-x", "tags": mine, "made_at": 0}
        world.write(data)
        self.well(world.down())
        left = [k for k, t in world.read()["things"].items() if t.get("state") != "PendingDeletion"]
        self.assertEqual(sorted(left), ["ec2/vpc/vpc-other", "iam/role/inference-us-west-2-x"])

    def test_a_used_environments_down_killed_at_spread_records_leaves_nothing(self):
        for alive in (True, False):
            with self.subTest(alive=alive):
                self.kill_everywhere(self.planted(alive), "down", step=4)


if __name__ == "__main__":
    unittest.main(verbosity=2)

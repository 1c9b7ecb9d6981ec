"""Everything that can die, does: workers, the daemon, clients, disks. Nothing may hang, end cleanly after a failure, or stay."""
import http.client
import os
import signal
import sqlite3
import subprocess
import threading
import time
import unittest

from world import World, gone, wait_for


class Faults(unittest.TestCase):
    def setUp(self):
        self.world = World()
        self.addCleanup(self.world.close)
        self.world.start()

    def deploy(self, *args, **kwargs):
        status, model = self.world.deploy(*args, **kwargs)
        self.assertEqual(status, 200, model)
        self.assertEqual(model.get("state"), "ready", model)
        return model

    def back(self, model, restarts):
        """The first replica once it was restarted that often and all are ready."""
        return wait_for(lambda: (r := self.world.all_ready(model)) and r[0]["restarts"] >= restarts and r[0], "it is back")

    def refuses(self):
        try:
            return self.world.chat("m", max_tokens=1)[0] == 503
        except OSError:
            return True  # or does not listen any more

    def test_a_chat_goes_through(self):
        self.deploy("m")
        status, answer = self.world.chat("m", max_tokens=3)
        self.assertEqual(status, 200, answer)
        self.assertIn("word2", answer["choices"][0]["message"]["content"])
        self.assertTrue(self.world.stream("m", max_tokens=3).end().clean())

    def test_kill_9_of_a_worker_under_eight_streams_at_several_positions(self):
        self.deploy("m", "token_ms=10")
        for seen in (0, 1, 7, 40):
            with self.subTest(tokens_seen=seen):
                before = wait_for(lambda: self.world.all_ready("m"), "the replica is ready")[0]
                streams = [self.world.stream("m", max_tokens=5000, seed=i) for i in range(8)]
                wait_for(lambda: all(s.tokens >= seen for s in streams), "tokens flow")
                if seen == 0:
                    wait_for(lambda: self.world.replicas("m")[0]["running"] > 0, "requests run")
                self.world.kill(before["pid"])
                for s in streams:
                    self.assertTrue(s.end().failed_loudly(), (s.status, s.lines[-3:]))
                after = self.back("m", before["restarts"] + 1)
                self.assertNotEqual(after["pid"], before["pid"])
                self.assertEqual(after["last_exit_class"], "killed")
        self.assertEqual(self.world.chat("m")[0], 200)

    def test_another_replica_takes_what_had_no_first_byte(self):
        self.deploy("m", "token_ms=5", replicas=2)
        streams = [self.world.stream("m", max_tokens=100000) for _ in range(2)]
        wait_for(lambda: all(s.tokens > 0 for s in streams), "both replicas work")
        self.world.kill(self.world.replicas("m")[0]["pid"])
        wait_for(lambda: sum(not s.is_alive() for s in streams) == 1, "one stream broke")
        for _ in range(20):
            self.assertEqual(self.world.chat("m", max_tokens=2)[0], 200)

    def test_a_stopped_worker_is_found_within_the_threshold(self):
        self.deploy("m", "token_ms=10")
        stream = self.world.stream("m", max_tokens=100000)
        wait_for(lambda: stream.tokens > 3, "tokens flow")
        pid = self.world.replicas("m")[0]["pid"]
        stopped = time.monotonic()
        self.world.kill(pid, signal.SIGSTOP)
        wait_for(lambda: gone(pid), "the stopped worker is ended")
        # Twice the threshold: the rest is this test's own slowness under sanitizers.
        self.assertLess(time.monotonic() - stopped, 2 * self.world.progress_timeout)
        self.assertTrue(stream.end().failed_loudly())
        self.assertEqual(self.back("m", 1)["last_exit_class"], "no_progress")

    def test_a_hanging_engine_is_restarted(self):
        self.deploy("m", "hang_after=5")
        self.assertTrue(self.world.stream("m", max_tokens=50).end().failed_loudly())
        self.assertEqual(self.back("m", 1)["last_exit_class"], "no_progress")

    def test_kill_9_of_the_daemon_twenty_times_leaves_no_worker(self):
        self.deploy("m", replicas=2)
        for _ in range(20):
            workers = [r["pid"] for r in wait_for(lambda: self.world.all_ready("m"), "both replicas are ready")]
            self.assertEqual(len(workers), 2)
            self.world.daemon.kill()
            self.world.daemon.wait()
            for pid in workers:
                wait_for(lambda: gone(pid), "no orphan")
            self.world.daemon.stdout.close()
            self.world.daemon.stderr.close()
            self.world.start()
        wait_for(lambda: self.world.all_ready("m"), "the last start serves")
        self.assertEqual(self.world.chat("m")[0], 200)

    def test_a_worker_deaf_to_its_parent_dies_with_it_all_the_same(self):
        self.deploy("m", "ignores_parent ignores_term")
        pid = self.world.replicas("m")[0]["pid"]
        self.world.daemon.kill()
        self.world.daemon.wait()
        wait_for(lambda: gone(pid), "PDEATHSIG")

    def test_a_crash_loop_says_the_last_lines_and_the_gateway_says_why(self):
        status, answer = self.world.deploy("m", "exit_at_start=3")
        self.assertEqual(status, 200)
        self.assertIn("error", answer)
        self.assertIn("the fake engine cannot start", answer["error"]["detail"])
        self.assertIsNone(self.world.model("m"))
        self.deploy("n", "crash_after_ms=300")
        wait_for(lambda: self.world.replicas("n")[0]["state"] == "crash_loop", "it gives up")
        self.assertEqual(self.world.replicas("n")[0]["last_exit_class"], "crash")
        status, answer = self.world.chat("n")
        self.assertEqual(status, 503)
        self.assertIn("keep ending", answer["error"]["message"])
        self.assertFalse(self.world.status()["healthy"])

    def test_a_poison_request_is_refused_after_two_workers(self):
        self.deploy("m")
        for restarts in (1, 2):
            status, _ = self.world.chat("m", "POISON")
            self.assertGreaterEqual(status, 500)
            if self.back("m", restarts)["restarts"] >= 2:  # the gateway's own retry was the second time
                break
        status, answer = self.world.chat("m", "POISON")
        self.assertEqual(status, 422, answer)
        self.assertEqual(answer["error"]["symbol"], "quarantined")
        self.assertIn("request_id", answer["error"])
        self.assertEqual(self.world.chat("m", "harmless")[0], 200)
        self.assertEqual(self.world.replicas("m")[0]["restarts"], 2)

    def test_truncated_garbled_and_dripping_answers(self):
        self.deploy("cut", "truncate_after=3")
        self.deploy("noise", "garbage")
        self.deploy("drip", "drip_ms=1")
        self.assertTrue(self.world.stream("cut", max_tokens=9).end().failed_loudly())
        self.assertGreaterEqual(self.world.chat("cut")[0], 500)
        status, answer = self.world.chat("noise")
        self.assertEqual(status, 502, answer)
        self.assertTrue(self.world.stream("drip", max_tokens=2).end().clean())

    def test_a_client_that_leaves_frees_its_place(self):
        self.deploy("m", "token_ms=5")
        streams = [self.world.stream("m", max_tokens=100000) for _ in range(4)]
        wait_for(lambda: all(s.tokens > 1 for s in streams), "tokens flow")
        for s in streams:
            s.connection.sock.shutdown(2)
        wait_for(lambda: self.world.replicas("m")[0]["running"] == 0, "the worker stopped")

    def test_sigterm_drains_and_leaves_nothing(self):
        self.deploy("m", "token_ms=10", replicas=2)
        workers = [r["pid"] for r in self.world.replicas("m")]
        stream = self.world.stream("m", max_tokens=60)
        wait_for(lambda: stream.tokens > 1, "tokens flow")
        self.world.kill(self.world.daemon.pid, signal.SIGTERM)
        self.assertTrue(stream.end().clean(), stream.lines[-3:])
        self.assertEqual(self.world.daemon.wait(60), 0)
        self.assertTrue(all(gone(pid) for pid in workers))
        self.assertFalse((self.world.home / "run/local.sock").exists())
        self.assertEqual(list((self.world.home / "run").iterdir()), [])

    def test_a_second_signal_cuts(self):
        self.world.close()
        self.world = World(drain=600)
        self.addCleanup(self.world.close)
        self.world.start()
        self.deploy("m", "token_ms=10")
        stream = self.world.stream("m", max_tokens=1000000)
        wait_for(lambda: stream.tokens > 1, "tokens flow")
        self.world.kill(self.world.daemon.pid, signal.SIGTERM)
        wait_for(self.refuses, "it takes no new requests")
        self.world.kill(self.world.daemon.pid, signal.SIGINT)
        self.assertEqual(self.world.daemon.wait(60), 0)
        self.assertTrue(stream.end().failed_loudly())

    def test_shutdown_answers_a_receipt_that_counts_what_was_cut(self):
        self.deploy("m", "token_ms=10")
        stream = self.world.stream("m", max_tokens=1000000)
        wait_for(lambda: stream.tokens > 1, "tokens flow")
        status, receipt = self.world.call("POST", "shutdown", {"drain_s": 0})
        self.assertEqual(status, 200)
        self.assertEqual(receipt["requests_cut"], 1, receipt)
        self.assertEqual([s["what"] for s in receipt["stopped"]], ["gateway", "replica", "daemon"])
        self.assertEqual(self.world.daemon.wait(60), 0)

    def test_a_second_daemon_names_the_first(self):
        other = subprocess.run([os.fspath(self.world.daemon.args[0]), *map(str, self.world.daemon.args[1:])],
                               capture_output=True, text=True, timeout=60)
        self.assertEqual(other.returncode, 4)
        self.assertIn("E5002", other.stdout)
        self.assertIn(str(self.world.daemon.pid), other.stdout)
        self.assertEqual(self.world.call("GET", "status")[0], 200)

    def test_logs_that_cannot_be_written_do_not_stop_the_serving(self):
        self.deploy("m")
        logs = self.world.home / "state/local/logs"
        for file in logs.iterdir():
            file.unlink()
        logs.rmdir()
        logs.write_text("in the way")
        for _ in range(5):
            self.assertEqual(self.world.chat("m")[0], 200)
        self.assertTrue(self.world.status()["healthy"])

    def test_keys_are_shown_once_and_stop_working_when_revoked(self):
        status, made = self.world.call("POST", "keys", {"name": "ci", "requests_per_minute": 5})
        self.assertEqual(status, 200)
        _, listed = self.world.call("GET", "keys")
        self.assertNotIn(made["key"], str(listed))
        self.assertEqual(listed["keys"][0]["requests_per_minute"], 5)
        self.assertEqual(self.world.call("DELETE", "keys/" + made["id"])[1], {"revoked": made["id"]})
        status, answer = self.world.call("DELETE", "keys/key_none")
        self.assertEqual((status, answer["error"]["symbol"]), (404, "not_found"))

    def test_the_audit_log_says_who_did_what_and_no_secret(self):
        made = self.world.call("POST", "keys", {"name": "ci"})[1]
        self.deploy("m", replicas=2)
        self.world.call("DELETE", "models/nobody")
        self.world.call("DELETE", "keys/" + made["id"])
        self.world.call("POST", "shutdown", {"drain_s": 1})
        self.assertEqual(self.world.daemon.wait(60), 0)
        records = self.world.audit()
        self.assertEqual([(r["action"], r["subject"], r["outcome"]) for r in records],
                         [("start", "local", "done"), ("key.create", made["id"], "done"), ("deploy", "m", "begun"),
                          ("deploy", "m", "done"), ("undeploy", "nobody", "unknown_model"), ("key.revoke", made["id"], "done"),
                          ("down", "local", "begun"), ("down", "local", "done")])
        self.assertEqual(records[0]["by"], {"via": "daemon", "uid": os.getuid(), "pid": self.world.daemon.pid})
        for record in records[1:]:
            self.assertEqual(record["by"], {"via": "control", "uid": os.getuid(), "pid": os.getpid()})
        self.assertNotIn(made["key"][8:], str(records))

    def test_kill_9_never_parts_a_key_from_its_record(self):
        for _ in range(10):
            made = []

            def make():
                try:
                    while True:
                        made.append(self.world.call("POST", "keys", {"name": f"k{time.monotonic_ns()}"}))
                except (OSError, http.client.HTTPException):
                    pass  # the daemon is gone

            maker = threading.Thread(target=make)
            maker.start()
            wait_for(lambda: len(made) > 3, "keys are being made")
            self.world.daemon.kill()
            self.world.daemon.wait()
            maker.join()
            self.world.daemon.stdout.close()
            self.world.daemon.stderr.close()
            self.world.start()
            keys = {key["id"] for key in self.world.call("GET", "keys")[1]["keys"]}
            recorded = {r["subject"] for r in self.world.audit() if r["action"] == "key.create" and r["outcome"] == "done"}
            self.assertEqual(keys, recorded)

    def test_a_start_says_where_the_audit_log_was_tampered_with(self):
        for name in ("a", "b", "c"):
            self.world.call("POST", "keys", {"name": name})
        self.world.kill(self.world.daemon.pid, signal.SIGTERM)
        self.assertEqual(self.world.daemon.wait(60), 0)
        database = sqlite3.connect(self.world.home / "state/local/state.db")
        with self.assertRaises(sqlite3.Error):
            database.execute("UPDATE audit SET record = replace(record, '\"b\"', '\"x\"') WHERE number = 3")
        database.execute("DROP TRIGGER audit_never_changes")
        database.execute("UPDATE audit SET record = replace(record, '\"b\"', '\"x\"') WHERE number = 3")
        database.commit()
        database.close()
        self.world.daemon.stdout.close()
        self.world.daemon.stderr.close()
        self.world.start()

        def words():
            logs = (self.world.home / "state/local/logs").iterdir()
            return [line for file in logs for line in file.read_text().splitlines() if '"audit_broken"' in line]

        (line,) = wait_for(words, "the log says it")
        self.assertIn("record 3 of the audit log: it is not what was written", line)

    def test_bad_calls_are_coded_errors(self):
        for method, path, body, symbol in (
                ("GET", "nothing", None, "not_found"), ("POST", "models", {}, "bad_request"),
                ("POST", "models", {"name": "x", "colour": 1}, "bad_request"), ("POST", "models", {"name": "smolm2"}, "model_unknown"),
                ("POST", "models", {"values": "a: [", "source": "v.yaml"}, "syntax"), ("DELETE", "models/nobody", None, "unknown_model"),
                ("GET", "logs?tail=x", None, "bad_request"), ("POST", "keys", {"name": 3}, "bad_request")):
            with self.subTest(call=f"{method} {path} {body}"):
                status, answer = self.world.call(method, path, body)
                self.assertGreaterEqual(status, 400)
                self.assertEqual(answer["error"]["symbol"], symbol)
                self.assertTrue(answer["error"]["next"])

    def test_top_logs_catalog_and_progress_answer(self):
        self.deploy("m", "prints=3")
        self.world.chat("m")
        self.assertEqual(self.world.call("GET", "top")[1]["models"][0]["id"], "m")
        self.assertTrue(any(m["name"] == "smollm2-135m" for m in self.world.call("GET", "catalog")[1]["models"]))
        self.assertEqual(self.world.call("GET", "progress")[1]["models"][0]["state"], "ready")


if __name__ == "__main__":
    unittest.main(verbosity=2)

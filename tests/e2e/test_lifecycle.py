"""up, deploy, undeploy, down: what a person does, with real processes, and what happens when processes die."""
import json
import os
import signal
import subprocess
import threading
import urllib.error
import urllib.request

from conftest import BIN, EMBEDDED, Environment, free_port, wait_for


def processes_of(environment):
    """Pids of slipway and slipway-worker processes whose environment or arguments name this home."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            exe = os.readlink(f"/proc/{pid}/exe")
            if not exe.startswith(str(BIN / "slipway")):
                continue
            text = open(f"/proc/{pid}/environ", "rb").read() + open(f"/proc/{pid}/cmdline", "rb").read()
        except OSError:
            continue
        if str(environment.home).encode() in text:
            found.append(int(pid))
    return found


def post(environment, body, path="/chat/completions", timeout=60):
    request = urllib.request.Request(
        environment.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=timeout) as answer:
        return json.load(answer)


def chat_body(text="hi", **kwargs):
    return {"model": EMBEDDED, "messages": [{"role": "user", "content": text}], "max_tokens": 4, **kwargs}


def test_up_answers_a_second_up_is_a_no_op_and_down_leaves_nothing(make_environment):
    env = make_environment()
    env.up()
    assert post(env, chat_body())["choices"][0]["message"]["content"] is not None
    again = env.run("up")
    assert "already" in (again.stdout + again.stderr).lower()
    status = env.status()
    assert status["healthy"] and status["models"][0]["id"] == EMBEDDED
    receipt = env.json("down")
    assert [s["what"] for s in receipt["stopped"]].count("replica") == 1
    assert processes_of(env) == []
    assert env.run("down").returncode == 0


def test_chat_prints_the_answer_on_stdout_and_figures_on_stderr(slipway):
    done = slipway.run("chat", "--max-tokens", "8", "--verbose", EMBEDDED, "Say hi.")
    assert done.stdout.strip()
    assert "tokens/s" in done.stderr and "tokens/s" not in done.stdout
    piped = slipway.run("chat", EMBEDDED, "--max-tokens", "4", stdin="Say hi.")
    assert piped.stdout.strip()


def test_a_repeated_prompt_shows_in_top_and_in_the_metrics(slipway):
    body = chat_body("Tell me about a river, a stone, a lantern and a house by the water. " * 4)
    assert all(post(slipway, body)["usage"]["prompt_tokens"] > 60 for _ in range(2))
    ratio = lambda: next(m for m in slipway.json("top")["models"] if m["id"] == EMBEDDED)["prefix_hit_ratio"]
    assert wait_for(ratio) > 0.2
    metrics = urllib.request.urlopen(f"{slipway.url.removesuffix('/v1')}/metrics", timeout=10).read().decode()
    for name in ("llm_prefix_cache_hit_tokens_total", 'slipway_replicas{model="%s",state="ready"}' % EMBEDDED):
        assert any(line.startswith(name) and not line.endswith(" 0") for line in metrics.splitlines()), name


def test_replicas_are_honoured_and_undeploy_drains(make_environment, tmp_path):
    env = make_environment()
    env.up()
    values = tmp_path / "values-two.yaml"
    values.write_text(
        "model: HuggingFaceTB/SmolLM2-135M-Instruct\n"
        "modelParameters:\n  maxModelLen: 1024\n"
        "inference:\n  serviceName: two\n  accelerator: gpu\n  framework: vllm\n"
        "  modelServer:\n    deployment:\n      replicas: 2\n")
    env.run("deploy", str(values), timeout=120)
    two = next(m for m in env.status()["models"] if m["id"] == "two")
    assert len(two["replicas"]) == 2 and all(r["state"] == "ready" for r in two["replicas"])
    assert two["context_tokens"] == 1024
    assert post(env, chat_body(model="two"))["model"] == "two"
    env.run("undeploy", "two")
    assert [m["id"] for m in env.status()["models"]] == [EMBEDDED]


def test_a_killed_worker_is_replaced(make_environment):
    env = make_environment()
    env.up()
    before = env.workers()[0]
    os.kill(before["pid"], signal.SIGKILL)
    after = wait_for(lambda: [r for r in env.workers() if r["state"] == "ready" and r["pid"] != before["pid"]])[0]
    assert after["restarts"] == 1 and "SIGKILL" in after["last_exit"]
    assert post(env, chat_body())["choices"]


def test_a_killed_daemon_leaves_no_worker_and_the_next_up_recovers(make_environment):
    env = make_environment()
    for _ in range(5):
        env.up()
        status = env.status()
        worker = status["models"][0]["replicas"][0]["pid"]
        os.kill(status["pid"], signal.SIGKILL)
        wait_for(lambda: not os.path.exists(f"/proc/{worker}"), seconds=5)
    env.up()
    assert env.status()["healthy"]


def test_a_worker_killed_under_streams_ends_each_with_an_error_event(make_environment):
    env = make_environment()
    env.up()
    killed = set()   # the supervisor may call one of these ready for a moment longer

    def ready():
        return [r["pid"] for r in env.workers() if r["state"] == "ready" and r["pid"] not in killed]

    for tokens_seen in (0, 1, 5):
        wait_for(ready)
        worker = ready()[0]
        ends, started = [], threading.Barrier(9)

        def stream(i):
            body = chat_body(f"Story number {i}", stream=True, max_tokens=2000, ignore_eos=True)
            request = urllib.request.Request(env.url + "/chat/completions", json.dumps(body).encode(),
                                             {"Content-Type": "application/json"})
            with urllib.request.urlopen(request, timeout=60) as answer:
                seen = 0
                while seen < tokens_seen:
                    line = answer.readline().decode()
                    seen += "content" in line
                started.wait(30)
                ends.append(answer.read().decode().splitlines())

        threads = [threading.Thread(target=stream, args=(i,)) for i in range(8)]
        for t in threads:
            t.start()
        started.wait(30)
        os.kill(worker, signal.SIGKILL)
        killed.add(worker)
        for t in threads:
            t.join(60)
        assert len(ends) == 8
        for lines in ends:
            assert not any("[DONE]" in line for line in lines)
            assert any('"error"' in line for line in lines), lines[-3:]


def test_up_says_which_program_holds_the_port(make_environment):
    port = free_port()
    holder = subprocess.Popen(["python3", "-m", "http.server", str(port), "--bind", "127.0.0.1"],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        def listening():
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=1).close()
                return True
            except OSError:
                return False
        wait_for(listening)
        env = make_environment(port=port)
        refused = env.run("up", check=False)
        assert refused.returncode == 4
        assert "E5003" in refused.stderr and str(port) in refused.stderr and str(holder.pid) in refused.stderr
    finally:
        holder.terminate()
        holder.wait()


def test_keys_are_required_off_loopback_and_work_with_limits(make_environment):
    env = make_environment()
    refused = env.run("up", env={"SLIPWAY_GATEWAY_HOST": "0.0.0.0"}, check=False)
    assert refused.returncode == 4 and "E5004" in refused.stderr
    env.up()
    made = env.json("keys", "create", "ci", "--requests-per-minute", "2")
    assert made["key"].startswith("sk-slip-")
    assert made["key"] not in env.run("keys", "list").stdout

    def call(key):
        request = urllib.request.Request(env.url + "/chat/completions", json.dumps(chat_body()).encode(),
                                         {"Content-Type": "application/json", "Authorization": f"Bearer {key}"})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, {}
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)["error"]

    assert [call(made["key"])[0] for _ in range(2)] == [200, 200]
    status, error = call(made["key"])
    assert status == 429 and error["symbol"] == "rate_limited" and error["retry_after"] > 0
    assert call("sk-slip-wrong")[0] == 401
    env.run("keys", "revoke", made["id"])
    wait_for(lambda: call(made["key"])[0] == 401, seconds=5)

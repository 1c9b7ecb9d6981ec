"""bench/run engine: our worker beside llama-server (same llama.cpp commit, threads and weights), both at their own socket.

Throughput: closed-loop clients, each with prompts of its own (about 180 tokens) and 128 tokens of answer. llama-server is tried
in both KV layouts first and runs in the better one. Burst: clients that arrive at once with one 2,000-token prefix and
16-token tails, beside one lone prefill of prefix plus all tails on the same worker. Rounds are interleaved (ours and the peer's
next to each other, order alternating), so that drift of the machine hits both; ratios within a pair are what counts. A
connection a request: llama-server closes after a stream.

  bench/run engine [--rounds 7] [--clients 1,4,8,16,32] [--burst 8,32] [--threads 2] [--model FILE] [--build build/release]
                   [--peer LLAMA_SERVER] [--only rates,burst,alone]
                   [--shared SECONDS] [--ours "FLAG..."] [--theirs "FLAG..."]

`--ours` and `--theirs` are more flags for each server. On a machine with a GPU both put all layers there. `--shared`, for models
that take longer to load than to measure: one server each, started for the most clients, serves every row, and the rounds end
after so many seconds.
"""
import argparse
import asyncio
import json
import math
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

PROMPT_WORDS, ANSWER_TOKENS = 180, 128
REQUESTS = 2  # a client, one after the other: with one, a fast first answer only empties the batch at the end
PREFIX_WORDS, TAIL_WORDS = 2000, 16
RATE_CONTEXT, BURST_CONTEXT = 512, 2816
PEER_BURST = 8  # the largest burst that llama-server is shown, once: it prefills the prefix for every client
WORDS = ("river stone lantern seven green walks under morning paper quiet north bread window carries salt tower small house "
         "light old road water mountain letter winter music table horse silver field open city forest").split()


def words(seed, count):
    picker = random.Random(seed)
    return " ".join(picker.choice(WORDS) for _ in range(count))


class Server:
    """A child process that serves the OpenAI API on a unix socket (ours) or a loopback port (llama-server)."""

    def __init__(self, name, command, address, folder):
        self.name, self.address = name, address
        self.log = open(os.path.join(folder, f"{name}.log"), "wb")
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL)

    async def open(self):
        if isinstance(self.address, str):
            return await asyncio.open_unix_connection(self.address)
        return await asyncio.open_connection("127.0.0.1", self.address)

    async def ready(self):
        for _ in range(300):
            if self.process.poll() is not None:
                sys.exit(f"{self.name} ended while it started; its words are in {self.log.name}")
            try:
                status, _ = await self.call("GET", "/health")
                if status == 200:
                    return
            except OSError:
                pass
            await asyncio.sleep(0.1)
        sys.exit(f"{self.name} is not ready after 30 s; its words are in {self.log.name}")

    async def call(self, method, path, body=b""):
        reader, writer = await self.open()
        writer.write(f"{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
                     f"content-length: {len(body)}\r\nconnection: close\r\n\r\n".encode() + body)
        head = await reader.readuntil(b"\r\n\r\n")
        rest = await reader.read()
        writer.close()
        return int(head.split()[1]), rest

    async def complete(self, prompt, tokens):
        """Streams one completion; seconds to the first and to the last event."""
        body = json.dumps({"model": "bench", "prompt": prompt, "max_tokens": tokens, "temperature": 0, "ignore_eos": True,
                           "stream": True}).encode()
        begin = time.monotonic()
        reader, writer = await self.open()
        writer.write(f"POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
                     f"content-length: {len(body)}\r\nconnection: close\r\n\r\n".encode() + body)
        first = None
        tail = b""
        while chunk := await reader.read(65536):
            if first is None and b'"text"' in tail + chunk:
                first = time.monotonic() - begin
            tail = (tail + chunk)[-200:]
        writer.close()
        if b"[DONE]" not in tail or first is None:
            sys.exit(f"{self.name} did not finish a stream: {tail!r}; its words are in {self.log.name}")
        return first, time.monotonic() - begin

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Bench:
    def __init__(self, args):
        self.args = args
        self.folder = tempfile.mkdtemp(prefix="slipway-bench-")
        self.servers = []
        self.bars = []
        self.serial = 0
        asked = subprocess.run([os.path.join(args.build, "bin/slipway-worker"), "--gpus"], capture_output=True, check=True)
        self.on_gpu = b'"name"' in asked.stdout

    async def start_ours(self, parallel, layout, context):
        # Unified sequences share one pool; a burst needs its prefix once.
        cells = parallel * context if layout == "streams" or context == RATE_CONTEXT else 4 * context
        path = os.path.join(self.folder, f"ours-{self.serial}.sock")
        return await self.start("ours-" + layout, [
            os.path.join(self.args.build, "bin/slipway-worker"), "--listen", "unix:" + path, "--model", self.args.model,
            "--model-id", "bench", "--layout", layout, "--parallel", str(parallel), "--context", str(context),
            "--kv-tokens", str(cells), "--threads", str(self.args.threads), *self.args.ours], path)

    async def start_peer(self, parallel, layout, context):
        port = 19200 + self.serial
        return await self.start("llama-server-" + layout, [
            self.args.peer, "-m", self.args.model, "--host", "127.0.0.1", "--port", str(port), "-np", str(parallel), "-c",
            str(parallel * context), "-t", str(self.args.threads), "-fa", "on", "--no-webui",
            "-kvu" if layout == "unified" else "--no-kv-unified", *self.args.theirs], port)

    async def start(self, name, command, address):
        self.serial += 1
        server = Server(f"{name}-{self.serial}", command, address, self.folder)
        self.servers.append(server)
        await server.ready()
        await server.complete("warm up", 4)
        return server

    def stop(self, server):
        server.stop()
        self.servers.remove(server)

    def bar(self, name, value, op, limit):
        ok = value >= limit if op == ">=" else value <= limit
        self.bars.append(f"bar {name} {value:.3f} {op} {limit} {'ok' if ok else 'short'}")

    async def rate(self, server, clients, requests, seed):
        """Output tokens a second of a closed loop, and the times to first token."""
        firsts = []

        async def client(number):
            for i in range(requests):
                first, _ = await server.complete(words(f"{seed}-{number}-{i}", PROMPT_WORDS), ANSWER_TOKENS)
                firsts.append(first)

        begin = time.monotonic()
        await asyncio.gather(*(client(n) for n in range(clients)))
        return clients * requests * ANSWER_TOKENS / (time.monotonic() - begin), firsts

    def our_layout(self, clients):
        """As policy/fit.h chooses, unless it is given."""
        return self.args.layout or ("unified" if clients == 1 or self.on_gpu else "streams")

    async def better_layout(self, start, clients):
        best, best_rate = None, 0
        for layout in ("unified", "streams"):
            server = await start(clients, layout, RATE_CONTEXT)
            rate, _ = await self.rate(server, clients, 1, f"try-{layout}")
            self.stop(server)
            if rate > best_rate:
                best, best_rate = layout, rate
        return best

    async def rates(self, clients):
        peer_layout = await self.better_layout(self.start_peer, clients) if clients > 1 else "streams"
        our_layout = self.our_layout(clients)
        ours = await self.start_ours(clients, our_layout, RATE_CONTEXT)
        peer = await self.start_peer(clients, peer_layout, RATE_CONTEXT)
        results = {ours: [], peer: []}
        ttft = {ours: [], peer: []}
        for i in range(self.args.rounds):
            for server in (ours, peer) if i % 2 == 0 else (peer, ours):
                rate, firsts = await self.rate(server, clients, REQUESTS, f"round-{i}")
                results[server].append(rate)
                ttft[server] += firsts
        self.report(clients, our_layout, peer_layout, results[ours], results[peer], ttft[ours], ttft[peer])
        self.stop(ours)
        self.stop(peer)

    async def shared_rates(self, levels):
        """All rows on one pair of servers; the first round warms up and counts nothing."""
        most = max(levels)
        peers = {layout: await self.start_peer(most, layout, RATE_CONTEXT) for layout in ("unified", "streams")}
        tried = {layout: (await self.rate(peers[layout], most, 1, "try"))[0] for layout in peers}
        peer_layout = max(tried, key=tried.get)
        print(f"llama-server with {most} clients: " + ", ".join(f"{name} {rate:.1f} tok/s" for name, rate in tried.items()))
        self.stop(peers["unified" if peer_layout == "streams" else "streams"])
        our_layout = self.our_layout(most)
        ours, peer = await self.start_ours(most, our_layout, RATE_CONTEXT), peers[peer_layout]
        rates = {(server, n): [] for server in (ours, peer) for n in levels}
        ttft = {key: [] for key in rates}
        end = time.monotonic() + self.args.shared
        for i in range(self.args.rounds + 1):
            if time.monotonic() > end:
                break
            for n in levels:
                for server in (ours, peer) if i % 2 == 0 else (peer, ours):
                    rate, firsts = await self.rate(server, n, REQUESTS if i else 1, f"round-{i}-{n}")
                    print(f"round {i}: {n} clients, {server.name}: {rate:.1f} tok/s, first token {quantile(firsts, .5):.3f} s",
                          file=sys.stderr)
                    if i > 0:
                        rates[server, n].append(rate)
                        ttft[server, n] += firsts
        for n in levels:
            if rates[peer, n]:
                self.report(n, our_layout, peer_layout, rates[ours, n], rates[peer, n], ttft[ours, n], ttft[peer, n])
        self.stop(ours)
        self.stop(peer)

    def report(self, clients, our_layout, peer_layout, ours, peer, our_ttft, peer_ttft):
        ratios = [a / b for a, b in zip(ours, peer)]
        for name, layout, rates, ttft in (("ours", our_layout, ours, our_ttft), ("llama-server", peer_layout, peer, peer_ttft)):
            print(f"{clients:>3} clients  {name:<12} {layout:<8} tok/s min {min(rates):7.1f} median {statistics.median(rates):7.1f} "
                  f"max {max(rates):7.1f}   ttft p50 {quantile(ttft, .5):6.2f} s p99 {quantile(ttft, .99):6.2f} s")
        print(f"{clients:>3} clients  ratio        {'':<8}       min {min(ratios):7.3f} median {statistics.median(ratios):7.3f} "
              f"max {max(ratios):7.3f}", flush=True)
        if clients < 8:
            self.bar(f"engine_tokens_ratio_upper95_{clients}", upper95(ratios), ">=", 1.0)
        else:
            self.bar(f"engine_tokens_ratio_{clients}", statistics.median(ratios), ">=", 1.0)

    async def alone(self, clients):
        """Ours in both layouts and with longer steps, beside each other."""
        variants = (("streams", []), ("unified", []), ("streams", ["--batch-tokens", "2048"]))
        flags, servers = self.args.ours, {}
        for layout, more in variants:
            self.args.ours = flags + more
            servers[" ".join([layout, *more])] = await self.start_ours(clients, layout, RATE_CONTEXT)
        self.args.ours = flags
        rates, ttft = {name: [] for name in servers}, {name: [] for name in servers}
        for i in range(self.args.rounds + 1):  # the first warms up
            for name, server in servers.items():
                rate, firsts = await self.rate(server, clients, REQUESTS if i else 1, f"alone-{i}")
                if i > 0:
                    rates[name].append(rate)
                    ttft[name] += firsts
        for name, server in servers.items():
            print(f"{clients:>3} clients  ours {name:<27} tok/s min {min(rates[name]):7.1f} median "
                  f"{statistics.median(rates[name]):7.1f} max {max(rates[name]):7.1f}   ttft p50 {quantile(ttft[name], .5):6.2f} s "
                  f"p99 {quantile(ttft[name], .99):6.2f} s", flush=True)
            self.stop(server)

    async def burst(self, clients):
        """Both layouts: streams is the default, unified is what `enablePrefixCaching: true` gives."""
        for layout in [self.args.layout] if self.args.layout else ["streams", "unified"]:
            server = await self.start_ours(clients, layout, BURST_CONTEXT)
            bursts = [await self.one_burst(server, clients, i) for i in range(self.args.burst_rounds)]
            ratios = [p99 / alone for p99, alone in bursts]
            self.report_burst(clients, f"ours {layout}", bursts, ratios)
            self.bar(f"engine_burst_ttft_ratio_{clients}_{layout}", statistics.median(ratios), "<=", 1.3)
            self.stop(server)
        if clients <= PEER_BURST:
            peer = await self.start_peer(clients, "streams", BURST_CONTEXT)
            bursts = [await self.one_burst(peer, clients, 0)]
            self.report_burst(clients, "llama-server", bursts, [p99 / alone for p99, alone in bursts])
            self.stop(peer)

    async def one_burst(self, server, clients, number):
        """TTFT p99 of clients that arrive at once, and that of one lone prompt of the prefix and all their tails."""
        tails = min(clients * TAIL_WORDS, BURST_CONTEXT - PREFIX_WORDS - 64)
        alone, _ = await server.complete(words(f"alone-{clients}-{number}", PREFIX_WORDS + tails), 1)
        prefix = words(f"prefix-{clients}-{number}", PREFIX_WORDS)
        prompts = [prefix + " " + words(f"tail-{number}-{n}", TAIL_WORDS) for n in range(clients)]
        firsts = [first for first, _ in await asyncio.gather(*(server.complete(p, 4) for p in prompts))]
        return quantile(firsts, .99), alone

    def report_burst(self, clients, name, bursts, ratios):
        print(f"burst of {clients:<3} {name:<14} ttft p99 {statistics.median(p for p, _ in bursts):6.2f} s, lone prefill of "
              f"everything {statistics.median(a for _, a in bursts):6.2f} s, ratio min {min(ratios):.3f} median "
              f"{statistics.median(ratios):.3f} max {max(ratios):.3f}", flush=True)

    async def run(self):
        try:
            if "rates" in self.args.only and self.args.shared:
                await self.shared_rates(self.args.clients)
            elif "rates" in self.args.only:
                for clients in self.args.clients:
                    await self.rates(clients)
            if "alone" in self.args.only:
                for clients in self.args.clients:
                    await self.alone(clients)
            if "burst" in self.args.only:
                for clients in self.args.burst:
                    await self.burst(clients)
        finally:
            for server in list(self.servers):
                self.stop(server)
        print("\n".join(self.bars))
        shutil.rmtree(self.folder, ignore_errors=True)
        return 0 if all(line.endswith(" ok") for line in self.bars) else 1


def quantile(values, q):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.ceil(q * len(ordered)) - 1)] if ordered else float("nan")


def upper95(ratios):
    """Upper end of the mean's two-sided 95 % interval (Student's t)."""
    t = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78, 6: 2.57, 7: 2.45, 8: 2.36, 9: 2.31, 10: 2.26}
    n = len(ratios)
    if n < 2:
        return ratios[0]
    return statistics.mean(ratios) + t.get(n, 2.1) * statistics.stdev(ratios) / math.sqrt(n)


def numbers(text):
    return [int(n) for n in text.split(",") if n]


def llama_folder():
    found = subprocess.run(["tools/llama", "path"], capture_output=True, text=True)
    return found.stdout.strip() if found.returncode == 0 else ""


def main():
    parser = argparse.ArgumentParser()
    cache = os.path.join(os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache")), "slipway-tests/model")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--burst-rounds", type=int, default=3)
    parser.add_argument("--clients", type=numbers, default=[1, 4, 8, 16, 32])
    parser.add_argument("--burst", type=numbers, default=[8, 32])
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--layout", choices=("unified", "streams"), help="of ours, whatever the clients")
    parser.add_argument("--model", default=os.environ.get("SLIPWAY_TEST_MODEL", f"{cache}/SmolLM2-135M-Instruct.Q4_1.gguf"))
    parser.add_argument("--build", default="build/release")
    parser.add_argument("--peer", default=os.environ.get("SLIPWAY_LLAMA_SERVER", ""))
    parser.add_argument("--shared", type=float, default=0, metavar="SECONDS", help="one pair of servers for all rows")
    parser.add_argument("--ours", type=str.split, default=[], help="more flags of slipway-worker")
    parser.add_argument("--theirs", type=str.split, default=[], help="more flags of llama-server")
    parser.add_argument("--only", type=lambda t: t.split(","), default=["rates", "burst"])
    args = parser.parse_args()
    args.peer = args.peer or os.path.join(llama_folder(), "build/bin/llama-server")
    worker = os.path.join(args.build, "bin/slipway-worker")
    for file, cure in ((args.model, "set SLIPWAY_TEST_MODEL, or run ./test.sh, which fetches the model"),
                       (args.peer, "run: tools/llama peers"),
                       (worker, f"run: cmake --build {args.build} --target slipway-worker")):
        if not os.path.exists(file):
            sys.exit(f"{file or 'llama-server'} is not there; {cure}")
    if not shutil.which("vllm"):
        print("vLLM is not installed here: no column for it")
    sys.exit(asyncio.run(Bench(args).run()))


if __name__ == "__main__":
    main()

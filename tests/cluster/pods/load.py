"""A steady load on one address: so many requests a second and so many streams at once, each on a connection of its own.

Every answer is judged. A request failed when it has no whole answer with a choice. A stream is `complete` with a finish reason and
[DONE], `told` when it ended with an error event, `cut` when its connection broke (the client sees that it is not whole), and
`silent` when it ended cleanly without being complete: the one thing that must never happen.
"""

import asyncio
import collections
import contextlib
import json
import threading
import time

TIMEOUT_S = 120


class Answer:
    """One HTTP answer, read from a connection that closes after it."""

    def __init__(self, reader):
        self.reader, self.status, self.headers = reader, 0, {}

    async def head(self):
        line = await self.reader.readline()
        if not line:
            raise ConnectionError("closed without an answer")
        self.status = int(line.split()[1])
        while (line := (await self.reader.readline()).strip()):
            name, _, value = line.decode().partition(":")
            self.headers[name.lower()] = value.strip()

    async def pieces(self):
        if self.headers.get("transfer-encoding") != "chunked":
            yield await self.reader.readexactly(int(self.headers.get("content-length", 0)))
            return
        while True:
            line = await self.reader.readline()
            if not line.endswith(b"\n"):
                raise ConnectionError("cut within the answer")
            size = int(line, 16)
            piece = await self.reader.readexactly(size)
            await self.reader.readexactly(2)
            if size == 0:
                return
            yield piece


class Load:
    def __init__(self, host, port, key, model, rate=50, streams=20, stream_tokens=60):
        self.host, self.port, self.key, self.model = host, port, key, model
        self.rate, self.streams, self.stream_tokens = rate, streams, stream_tokens
        self.counts, self.failures, self.seconds = collections.Counter(), [], []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self._stop.set()
        self._thread.join(TIMEOUT_S + 30)
        assert not self._thread.is_alive(), "the load did not end"

    def wait_for(self, **least):
        """Until so many of each have been counted since now."""
        target = {name: self.counts[name] + count for name, count in least.items()}
        deadline = time.monotonic() + TIMEOUT_S
        while any(self.counts[name] < count for name, count in target.items()):
            assert time.monotonic() < deadline, f"waited for {target}, have {dict(self.counts)}; {self.failures[-3:]}"
            time.sleep(0.1)

    def report(self):
        times = sorted(self.seconds) or [0]
        return f"{dict(sorted(self.counts.items()))}, median {times[len(times) // 2]:.2f} s, slowest {times[-1]:.2f} s"

    async def _run(self):
        tasks = {asyncio.ensure_future(self._stream_after_stream(number)) for number in range(self.streams)}
        begin, sent = time.monotonic(), 0
        while not self._stop.is_set():
            due = int((time.monotonic() - begin) * self.rate)
            for _ in range(sent, due):
                task = asyncio.ensure_future(self._one_request())
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            sent = max(sent, due)
            await asyncio.sleep(0.01)
        await asyncio.gather(*tasks)

    def _fail(self, kind, words):
        self.counts[kind] += 1
        self.failures.append(f"{time.strftime('%H:%M:%S')} {kind}: {words}")

    @contextlib.asynccontextmanager
    async def _ask(self, body):
        text = json.dumps({"model": self.model, "temperature": 0, **body}).encode()
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nhost: {self.host}\r\nauthorization: Bearer {self.key}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(text)}\r\nconnection: close\r\n\r\n"
        )
        reader, writer = await asyncio.open_connection(self.host, self.port)
        try:
            writer.write(head.encode() + text)
            await writer.drain()
            answer = Answer(reader)
            await answer.head()
            yield answer
        finally:
            writer.close()

    async def _one_request(self):
        began = time.monotonic()
        try:
            async with asyncio.timeout(TIMEOUT_S):
                async with self._ask({"max_tokens": 1, "messages": [{"role": "user", "content": "Say yes."}]}) as answer:
                    text = b"".join([piece async for piece in answer.pieces()])
            if answer.status == 200 and json.loads(text)["choices"]:
                self.counts["answered"] += 1
                self.seconds.append(time.monotonic() - began)
            else:
                self._fail("failed", f"{answer.status} {text[:300]!r}")
        except (OSError, TimeoutError, ValueError, KeyError, asyncio.IncompleteReadError) as error:
            self._fail("failed", f"after {time.monotonic() - began:.1f} s: {error!r}")

    async def _stream_after_stream(self, number):
        body = {"stream": True, "max_tokens": self.stream_tokens, "messages": [{"role": "user", "content": f"Count from {number}."}]}
        while not self._stop.is_set():
            text, ended = "", False
            try:
                async with asyncio.timeout(TIMEOUT_S):
                    async with self._ask(body) as answer:
                        async for piece in answer.pieces():
                            text += piece.decode()
                ended = True
            except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError) as error:
                problem = repr(error)
            if ended and answer.status != 200:
                self._fail("refused streams", f"{answer.status} {text[:300]!r}")
                await asyncio.sleep(0.2)
            elif "event: error" in text:
                self._fail("told", text[text.index("event: error") :][:300])
            elif not ended:
                self._fail("cut", problem)
            elif "data: [DONE]" in text and '"finish_reason":"' in text:
                self.counts["complete"] += 1
            else:
                self._fail("silent", text[-300:])

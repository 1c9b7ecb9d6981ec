"""Answers the fake programs: each call is one connection, one program of one world.

A world is a folder with world.json; calls on one folder come one after another, as a real API's transactions do. What a call
changed is on disk before it is answered.
"""
import collections
import importlib
import pathlib
import socketserver
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from world import Ended, World  # noqa: E402

PROGRAMS = {name: importlib.import_module(f"{name}_program").main for name in ("aws", "terraform", "kubectl", "helm")}


class Call(socketserver.StreamRequestHandler):
    def word(self):
        out = bytearray()
        while not out.endswith(b"\0"):
            chunk = self.rfile.peek()
            if not chunk:
                raise ConnectionError(f"a call ended after {bytes(out)!r}")
            out += self.rfile.read(chunk.find(b"\0") + 1 or len(chunk))
        return out[:-1].decode()

    def handle(self):
        folder, program, count = self.word(), self.word(), int(self.word())
        arguments = [self.word() for _ in range(count)]
        given = self.word()
        with self.server.locks[folder]:
            ended = run(folder, program, arguments, given)
        self.wfile.write(f"{ended.code}\0{ended.err}\0{ended.out}".encode())


def run(folder, program, arguments, given):
    with World(folder) as world:
        try:
            PROGRAMS[program](world, arguments, given)
        except Ended as ended:
            ended.out = "".join(world.said) + ended.out
            return ended
    raise AssertionError(f"{program} {arguments} came to no end")


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Call)
        self.locks = collections.defaultdict(threading.Lock)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def port(self):
        return self.server_address[1]

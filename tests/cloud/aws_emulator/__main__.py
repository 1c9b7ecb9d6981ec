"""python -m aws_emulator --port 0 --state-file FILE: serves on 127.0.0.1 and prints the endpoint."""
import argparse
import json
import logging
import os
import pathlib
import signal
import sys

# Managed policies (AmazonEKSClusterPolicy, ...) exist only when moto is told so before it is imported.
os.environ.setdefault("MOTO_IAM_LOAD_MANAGED_POLICIES", "true")


def main():
    parser = argparse.ArgumentParser(prog="aws_emulator", description="An emulated AWS on 127.0.0.1, for tests.")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one (default)")
    parser.add_argument("--state-file", type=pathlib.Path, help="where to write {endpoint, pid} as JSON once it serves")
    parser.add_argument("--switches", default=os.environ.get("AWS_EMULATOR_SWITCHES", "{}"), help="JSON of switches, see README.md")
    parser.add_argument("--verbose", action="store_true", help="one line a request on stderr")
    arguments = parser.parse_args()

    from werkzeug.serving import make_server

    from .app import Emulator

    if not arguments.verbose:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", arguments.port, Emulator(json.loads(arguments.switches)), threaded=True)
    endpoint = f"http://127.0.0.1:{server.server_port}"
    os.environ["MOTO_PORT"] = str(server.server_port)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if arguments.state_file:
        partial = arguments.state_file.with_suffix(".partial")
        partial.write_text(json.dumps({"endpoint": endpoint, "pid": os.getpid()}))
        partial.rename(arguments.state_file)
    print(endpoint, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()

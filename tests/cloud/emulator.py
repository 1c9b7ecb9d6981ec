"""Starts the emulated AWS as a process of its own and talks to its admin routes."""
import json
import os
import pathlib
import subprocess
import sys
import urllib.error
import urllib.request


class Emulator:
    def __init__(self, folder, switches=None):
        state = pathlib.Path(folder) / "emulator.json"
        self.log = open(pathlib.Path(folder) / "emulator.log", "w")
        environment = {**os.environ, "PYTHONPATH": str(pathlib.Path(__file__).parent)}
        self.process = subprocess.Popen([sys.executable, "-m", "aws_emulator", "--port", "0", "--state-file", str(state),
                                         "--switches", json.dumps(switches or {})],
                                        stdout=subprocess.PIPE, stderr=self.log, text=True, env=environment)
        self.endpoint = self.process.stdout.readline().strip()
        if not self.endpoint:
            raise RuntimeError(f"the emulator did not start; see {self.log.name}")

    def call(self, path, value=None, method=None):
        body = None if value is None else json.dumps(value).encode()
        request = urllib.request.Request(f"{self.endpoint}/_emulator/{path}", body, method=method or ("POST" if body else "GET"))
        try:
            with urllib.request.urlopen(request) as reply:
                return json.load(reply)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path}: {error.read().decode()}") from error

    def faults(self, **switches):
        return self.call("faults", switches)

    def inventory(self, tag=None):
        return self.call("inventory" + (f"?tag={tag}" if tag else ""))

    def client(self, service, region="us-west-2"):
        import boto3
        from botocore.config import Config
        return boto3.client(service, region_name=region, endpoint_url=self.endpoint, aws_access_key_id="test", aws_secret_access_key="test",
                            config=Config(retries={"total_max_attempts": 1}))

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.log.close()

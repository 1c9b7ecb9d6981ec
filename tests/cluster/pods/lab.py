"""One environment of the program on the cluster, used as a person does: `slipway up`, `deploy`, `status`, `down`."""

import json
import subprocess
import time
import urllib.error
import urllib.request

import slipway_images


class Lab:
    """State of its own below `folder`; models go to the namespace `space`, the gateway to `slipway`."""

    def __init__(self, real, folder, name, space):
        self.real, self.folder, self.name, self.space, self.key = real, folder, name, space, None
        self.environment = {
            "HOME": str(folder),
            "PATH": f"{real.program.parent}:/usr/bin:/bin",
            "KUBECONFIG": str(real.kubeconfig),
            "XDG_STATE_HOME": str(folder / "state"),
            "SLIPWAY_ENVIRONMENT": name,
        }

    def slipway(self, *arguments, check=True, timeout=900, stdin=None):
        program = slipway_images.PROGRAMS / "slipway"
        done = subprocess.run(
            [program, *arguments], env=self.environment, input=stdin, capture_output=True, text=True, timeout=timeout, check=False
        )
        if check and done.returncode != 0:
            raise RuntimeError(f"slipway {' '.join(map(str, arguments))} ({done.returncode}):\n{done.stdout}{done.stderr}")
        return done

    def json(self, *arguments, **more):
        return json.loads(self.slipway(*arguments, "-o", "json", **more).stdout)

    def up(self):
        file = self.folder / f"{self.name}.tfvars"
        rows = {"name": self.name, "target": "kubernetes", "kube_namespace": self.space, "gateway_image": slipway_images.SLIPWAY_IMAGE}
        file.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in rows.items()))
        self.key = self.json("up", "-f", file, "--yes")["gateway"]["key"]

    def down(self, check=True):
        return self.slipway("down", "--environment", self.name, "--yes", check=check)

    def deploy(self, values, *more):
        file = self.folder / f"{values['inference']['serviceName']}.yaml"
        file.write_text(json.dumps(values))
        return self.slipway("deploy", file, *more)

    def open(self, path, body=None, timeout=120):
        address = self.real.get("slipway", "service/slipway-gateway")["spec"]["clusterIP"]
        request = urllib.request.Request(
            f"http://{address}:8000{path}",
            data=json.dumps(body).encode() if body else None,
            headers={"authorization": f"Bearer {self.key}", "content-type": "application/json"},
        )
        try:
            return urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=timeout)
        except urllib.error.HTTPError as refused:
            refused.msg = f"{refused.msg}: {refused.read(2000).decode(errors='replace')}"
            raise

    def ask(self, path, body=None, **more):
        with self.open(path, body, **more) as answer:
            return json.load(answer)

    def stream(self, path, body):
        """The events of a stream, without the last, which must be [DONE]."""
        with self.open(path, {**body, "stream": True}) as answer:
            events = [line[5:].strip() for line in answer.read().decode().splitlines() if line.startswith("data:")]
        assert events.pop() == "[DONE]", events
        return [json.loads(event) for event in events]

    def models(self):
        return {model["id"]: model for model in self.ask("/v1/models")["data"]}

    def wait_listed(self, name):
        deadline = time.monotonic() + 30
        while not self.models().get(name, {}).get("ready"):
            assert time.monotonic() < deadline, self.models()
            time.sleep(0.2)

    def pods(self, name):
        return self.real.get(self.space, "pods", "-l", f"slipway.dev/model={name}")["items"]


def worker_values(name, file, replicas=1):
    """A values file of our own worker, from the image of slipway_images."""
    repository, tag = slipway_images.WORKER_IMAGE.rsplit(":", 1)
    resources = {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"cpu": "500m", "memory": "1Gi"}}
    return {
        "model": f"file:{file}",
        "modelParameters": {"maxModelLen": 1024, "maxNumSeqs": 32},
        "inference": {
            "serviceName": name,
            "framework": "llama-cpp",
            "accelerator": "cpu",
            "modelServer": {
                "image": {"repository": repository, "tag": tag},
                "deployment": {"replicas": replicas, "resources": {"cpu": resources}},
            },
        },
        "llamaCpp": {"command": "/usr/bin/slipway-worker"},
        "drain": {"endpointSeconds": 3, "seconds": 60, "marginSeconds": 5},
    }

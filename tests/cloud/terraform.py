"""Real Terraform on a copy of platform/terraform that is pointed at the emulated AWS. Nothing is written into the original."""
import json
import os
import pathlib
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / "platform" / "terraform"
PROVIDER = "registry.terraform.io/hashicorp/aws/5.100.0"
SERVICES = ("budgets", "ec2", "ecr", "eks", "events", "iam", "kms", "logs", "s3", "secretsmanager", "sqs", "ssm", "sts")


def plugin_folder():
    """Where the provider lies on this machine, or None: Terraform's own places first, then $SLIPWAY_TF_PLUGINS, then anywhere."""
    home = pathlib.Path.home()
    places = [home / ".terraform.d/plugins", home / ".local/share/terraform/plugins",
              pathlib.Path("/usr/local/share/terraform/plugins"), pathlib.Path("/usr/share/terraform/plugins")]
    places += [pathlib.Path(p) for p in (os.environ.get("TF_PLUGIN_CACHE_DIR"), os.environ.get("SLIPWAY_TF_PLUGINS")) if p]
    for place in places:
        if (place / PROVIDER).is_dir():
            return place
    found = subprocess.run(["find", "/", "-xdev", "(", "-path", "/proc", "-o", "-path", "/sys", "-o", "-name", ".terraform", ")", "-prune",
                            "-o", "-type", "d", "-path", f"*/{PROVIDER}", "-print", "-quit"], capture_output=True, text=True).stdout.strip()
    return pathlib.Path(found.removesuffix("/" + PROVIDER)) if found else None


class Failed(AssertionError):
    """A terraform command that failed; its whole output is the message."""

    def __init__(self, arguments, output):
        super().__init__(f"terraform {' '.join(arguments)} failed:\n{output}")
        # Terraform wraps its messages; a test looks for sentences.
        self.text = " ".join(output.replace("│", " ").split())


class Terraform:
    def __init__(self, folder, endpoint, plugins, access_key="emulated"):
        self.folder, self.endpoint, self.plugins = pathlib.Path(folder), endpoint, plugins
        shutil.copytree(FOLDER, self.folder, ignore=shutil.ignore_patterns(".terraform", "*.tfstate*", "*_override.tf"))
        self.use_key(access_key)
        self.env = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "TF_"))}
        self.env |= {"TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1", "TF_INPUT": "0", "AWS_EC2_METADATA_DISABLED": "true"}

    def use_key(self, access_key, max_retries=25):
        endpoints = "\n".join(f'    {service} = "{self.endpoint}"' for service in SERVICES)
        (self.folder / "emulator_override.tf").write_text(
            'provider "aws" {\n'
            f'  access_key = "{access_key}"\n  secret_key = "emulated"\n'
            f"  max_retries = {max_retries}\n"
            "  skip_credentials_validation = true\n  skip_metadata_api_check = true\n  s3_use_path_style = true\n"
            f"  endpoints {{\n{endpoints}\n  }}\n}}\n")

    def use_s3_state(self, bucket):
        """What Slipway generates for state in S3, plus the emulator's address."""
        (self.folder / "backend_override.tf").write_text(
            'terraform {\n  backend "s3" {\n'
            f'    bucket = "{bucket}"\n    key = "terraform.tfstate"\n    region = "us-west-2"\n    encrypt = true\n    use_lockfile = true\n'
            '    access_key = "emulated"\n    secret_key = "emulated"\n'
            "    skip_credentials_validation = true\n    skip_metadata_api_check = true\n    skip_requesting_account_id = true\n    use_path_style = true\n"
            f'    endpoints = {{ s3 = "{self.endpoint}", iam = "{self.endpoint}", sts = "{self.endpoint}" }}\n  }}\n}}\n')

    def variables(self, **values):
        (self.folder / "test.auto.tfvars.json").write_text(json.dumps(values))

    def run(self, *arguments, accept=(0,)):
        done = subprocess.run(["terraform", *arguments], cwd=self.folder, env=self.env, text=True, stdin=subprocess.DEVNULL, capture_output=True)
        if done.returncode not in accept:
            raise Failed(arguments, done.stdout + done.stderr)
        return done

    def init(self):
        source = [f"-plugin-dir={self.plugins}"] if self.plugins else []
        self.run("init", "-no-color", "-input=false", "-lockfile=readonly", *source)
        return self

    def plan(self, accept=(0,)):
        return self.run("plan", "-no-color", "-input=false", "-detailed-exitcode", accept=(*accept, 2) if 0 in accept else accept)

    def plan_json(self):
        self.run("plan", "-no-color", "-input=false", "-out=test.tfplan")
        return json.loads(self.run("show", "-json", "test.tfplan").stdout)

    def apply(self):
        return self.run("apply", "-no-color", "-input=false", "-auto-approve", "-parallelism=20")

    def destroy(self):
        return self.run("destroy", "-no-color", "-input=false", "-auto-approve", "-parallelism=20")

    def outputs(self):
        return {key: value["value"] for key, value in json.loads(self.run("output", "-json").stdout).items()}

    def refused(self, **variables):
        """The text of a plan that must fail."""
        self.variables(**variables)
        try:
            self.plan()
        except Failed as failure:
            return failure.text
        raise AssertionError(f"the plan was accepted with {variables}")

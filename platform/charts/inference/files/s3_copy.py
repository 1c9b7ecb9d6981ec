"""Copies a model from the Hugging Face hub to s3://BUCKET/PREFIX/ORG/NAME/, several files at a time.

What is there already with the same size and revision is left alone, so a copy that was cut off goes on. Files that the
hub has no longer are deleted at the end, and only after everything else is in place.
"""

import argparse
import concurrent.futures
import os
import pathlib
import sys
import time

import boto3
import huggingface_hub
from boto3.s3.transfer import TransferConfig

TRIES = 5


def arguments():
    flags = argparse.ArgumentParser()
    flags.add_argument("--model", required=True)
    flags.add_argument("--bucket", required=True)
    flags.add_argument("--prefix", default="")
    flags.add_argument("--scratch", default="/scratch")
    flags.add_argument("--file-workers", type=int, default=4)
    flags.add_argument("--upload-workers", type=int, default=16)
    flags.add_argument("--part-mib", type=int, default=16)
    flags.add_argument("--mode", choices=["xet", "stream"], default="xet")
    return flags.parse_args()


class Copy:
    def __init__(self, chosen):
        self.chosen = chosen
        self.s3 = boto3.client("s3")
        self.hub = huggingface_hub.HfApi()
        self.revision = self.hub.model_info(chosen.model).sha
        self.root = "/".join(part for part in (chosen.prefix.strip("/"), chosen.model) if part) + "/"
        self.transfer = TransferConfig(
            multipart_chunksize=chosen.part_mib << 20, max_concurrency=chosen.upload_workers, use_threads=True
        )

    def stored(self):
        """key -> size of what is in the bucket."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.chosen.bucket, Prefix=self.root)
        return {item["Key"]: item["Size"] for page in pages for item in page.get("Contents", [])}

    def is_there(self, key, size, stored):
        if stored.get(key) != size:
            return False
        head = self.s3.head_object(Bucket=self.chosen.bucket, Key=key)
        return head["Metadata"].get("revision") == self.revision

    def one(self, path):
        key, extra = self.root + path, {"Metadata": {"revision": self.revision}}
        for attempt in range(TRIES):
            try:
                if self.chosen.mode == "stream":
                    name = f"{self.chosen.model}@{self.revision}/{path}"
                    with huggingface_hub.HfFileSystem().open(name, "rb") as source:
                        self.s3.upload_fileobj(source, self.chosen.bucket, key, ExtraArgs=extra, Config=self.transfer)
                else:
                    self.through_disk(path, key, extra)
                return
            except Exception as error:  # noqa: BLE001 both clients raise many kinds; the last one is reported
                if attempt + 1 == TRIES:
                    raise
                print(f"{path}: {error}; again", file=sys.stderr, flush=True)
                time.sleep(2**attempt)

    def through_disk(self, path, key, extra):
        local = huggingface_hub.hf_hub_download(
            self.chosen.model, path, revision=self.revision, local_dir=self.chosen.scratch
        )
        try:
            self.s3.upload_file(local, self.chosen.bucket, key, ExtraArgs=extra, Config=self.transfer)
        finally:
            pathlib.Path(local).unlink(missing_ok=True)

    def run(self):
        stored = self.stored()
        files = [
            entry
            for entry in self.hub.list_repo_tree(self.chosen.model, recursive=True, revision=self.revision)
            if hasattr(entry, "size")
        ]
        wanted = [entry for entry in files if not self.is_there(self.root + entry.path, entry.size, stored)]
        total, done, began = sum(entry.size for entry in wanted), 0, time.monotonic()
        print(f"{len(wanted)} of {len(files)} files to copy, {total / 1e9:.1f} GB", flush=True)
        with concurrent.futures.ThreadPoolExecutor(self.chosen.file_workers) as pool:
            jobs = {pool.submit(self.one, entry.path): entry for entry in wanted}
            for job in concurrent.futures.as_completed(jobs):
                job.result()
                done += jobs[job].size
                rate = done / 1e9 / max(time.monotonic() - began, 0.001)
                print(f"{jobs[job].path}: {done / 1e9:.1f} of {total / 1e9:.1f} GB, {rate:.2f} GB/s", flush=True)
        for key in sorted(set(stored) - {self.root + entry.path for entry in files}):
            self.s3.delete_object(Bucket=self.chosen.bucket, Key=key)
            print(f"{key}: deleted, the hub has it no longer", flush=True)
        print(f"s3://{self.chosen.bucket}/{self.root} is revision {self.revision}", flush=True)


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    Copy(arguments()).run()

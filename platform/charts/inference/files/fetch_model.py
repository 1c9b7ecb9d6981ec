"""Fetches one model file for a worker: fetch_model.py SOURCE FILE; needs nothing but Python.

SOURCE is hf:OWNER/REPO[@REVISION]/PATH or https://...; the token, where there is one, is the file HF_TOKEN_PATH. A file
that is there already is kept, a download that was cut off goes on where it stopped.
"""

import os
import pathlib
import sys
import time
import urllib.error
import urllib.request

HUB = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
CHUNK = 4 << 20
TRIES = 5


def address(source):
    if source.startswith("hf:"):
        owner, repository, path = source[3:].split("/", 2)
        repository, _, revision = repository.partition("@")
        return f"{HUB}/{owner}/{repository}/resolve/{revision or 'main'}/{path}"
    return source


class DropToken(urllib.request.HTTPRedirectHandler):
    """The hub redirects to a store of its own; the token stays with the hub."""

    def redirect_request(self, request, *rest):
        made = super().redirect_request(request, *rest)
        if made is not None and made.host != request.host:
            made.remove_header("Authorization")
        return made


def fetch(url, partial, token):
    have = partial.stat().st_size if partial.exists() else 0
    headers = {"User-Agent": "slipway", **({"Range": f"bytes={have}-"} if have else {})}
    if token and url.startswith(HUB):
        headers["Authorization"] = f"Bearer {token}"
    with urllib.request.build_opener(DropToken).open(
        urllib.request.Request(url, headers=headers), timeout=60
    ) as answer:
        if have and answer.status != 206:
            have = 0  # the server starts from the beginning
        total = have + int(answer.headers.get("content-length", 0))
        with partial.open("ab" if have else "wb") as out:
            while block := answer.read(CHUNK):
                out.write(block)
    if total and partial.stat().st_size != total:
        raise OSError(f"{partial.stat().st_size} of {total} bytes came")


def main(source, target):
    target, url = pathlib.Path(target), address(source)
    if target.exists():
        print(f"{target} is there")
        return 0
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + ".partial")
    token_file = pathlib.Path(os.environ.get("HF_TOKEN_PATH", "/nonexistent"))
    token = token_file.read_text().strip() if token_file.exists() else ""
    for attempt in range(TRIES):
        try:
            fetch(url, partial, token)
            partial.rename(target)
            print(f"{target}: {target.stat().st_size} bytes from {url}")
            return 0
        except urllib.error.HTTPError as error:
            if error.code in (401, 403):
                gated = "its licence must be accepted on the hub, and the Secret hf-token must hold a token that may read it"
                print(f"{url}: {error.code}; {gated}: slipway secret set hf-token", file=sys.stderr)
                return 1
            if error.code == 404:
                print(f"{url}: there is no such file", file=sys.stderr)
                return 1
            print(f"{url}: {error}; again", file=sys.stderr, flush=True)
        except OSError as error:
            print(f"{url}: {error}; again", file=sys.stderr, flush=True)
        time.sleep(2**attempt)
    return 1


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))

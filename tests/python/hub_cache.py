"""The hub's cache is shared with Python: what one fetched, the other finds. Not part of `cargo test`.

    python tests/python/hub_cache.py target/debug/autolora        (needs huggingface_hub)

A hub on the loopback serves a model and a dataset; both clients fetch from it into caches of their own, then each reads the
other's without a network.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"
ROOT = Path(__file__).parents[2]
DEMO = ROOT / "assets/demo"
ROWS = (DEMO / "test.tsv").read_bytes()
FILES = {
    "me/demo": {name: (DEMO / name).read_bytes() for name in ("config.json", "tokenizer.json", "model.safetensors")},
    "datasets/me/rows": {"README.md": b"rows", "deep/er/train.tsv": ROWS, "deep/er/test.tsv": ROWS},
}
seen = []


class Hub(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def reply(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        path = self.path.split("?")[0].strip("/")
        seen.append(f"{self.command} {path}")
        if path.startswith("blob/"):
            repo, _, name = path.removeprefix("blob/").partition("/-/")
            body = FILES[repo][name]
            start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")[0])
            extra = {"Content_Range": f"bytes {start}-{len(body) - 1}/{len(body)}"} if "Range" in self.headers else {}
            return self.reply(206 if extra else 200, body[start:], **extra)
        if path.startswith("api/"):
            repo, _, revision = path.removeprefix("api/").removeprefix("models/").partition("/revision/")
            if repo not in FILES or revision not in ("main", COMMIT):
                return self.reply(404, X_Error_Code="RevisionNotFound")
            files = [{"rfilename": name} for name in FILES[repo]]
            body = {"id": repo.removeprefix("datasets/"), "sha": COMMIT, "siblings": files, "private": False, "tags": []}
            return self.reply(200, json.dumps(body).encode(), Content_Type="application/json")
        repo, _, rest = path.partition("/resolve/")
        body = FILES.get(repo, {}).get(rest.partition("/")[2])
        if body is None:
            return self.reply(404, X_Error_Code="EntryNotFound")
        name = rest.partition("/")[2]
        common = {"X_Repo_Commit": COMMIT}
        if name.endswith(".safetensors"):
            etag = hashlib.sha256(body).hexdigest()
            url = f"http://localhost:{port}/blob/{repo}/-/{name}"
            return self.reply(302, Location=url, X_Linked_Etag=f'"{etag}"', X_Linked_Size=str(len(body)), **common)
        self.reply(200, body, ETag=f'"{hashlib.sha1(body).hexdigest()}"', **common)


server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
port = server.server_address[1]
threading.Thread(target=server.serve_forever, daemon=True).start()
folder = Path(tempfile.mkdtemp())
os.environ.update(HF_ENDPOINT=f"http://127.0.0.1:{port}", HF_HOME=str(folder / "unused"), HF_HUB_DISABLE_XET="1")
os.environ.pop("HF_HUB_OFFLINE", None)

from huggingface_hub import hf_hub_download, scan_cache_dir  # noqa: E402


def autolora(cache, offline):
    env = os.environ | {"HF_HUB_CACHE": str(cache), "AUTOLORA_HOME": str(folder / "autolora")}
    env |= {"HF_HUB_OFFLINE": "1"} if offline else {}
    preset = folder / "tiny.toml"
    preset.write_text(
        '[model]\nid = "me/demo"\n[data]\nid = "me/rows"\nconfig = "deep/er"\nmax_train_rows = 40\nmax_test_rows = 20\n'
        "[search]\nsteps = 2\nwarmup_steps = 1\n[retrain]\nepochs = 0.2\n"
    )
    subprocess.run([sys.argv[1], "run", str(preset), "--json"], env=env, check=True, stdout=subprocess.DEVNULL)


def check(what, right):
    print(("ok      " if right else "WRONG   ") + what)
    if not right:
        sys.exit(1)


python, ours = folder / "python", folder / "ours"
for name in FILES["me/demo"]:
    hf_hub_download("me/demo", name, cache_dir=python)
for name in FILES["datasets/me/rows"]:
    hf_hub_download("me/rows", name, repo_type="dataset", cache_dir=python)
seen.clear()
autolora(python, offline=True)
check("autolora runs offline from what Python fetched", not seen)
autolora(python, offline=False)
check("online it asks for the revisions alone", all("resolve/main/config.json" in s or "/revision/" in s for s in seen))

autolora(ours, offline=False)
seen.clear()
for repo, kind in (("me/demo", "model"), ("me/rows", "dataset")):
    for name, body in FILES[repo if kind == "model" else f"datasets/{repo}"].items():
        if name != "README.md":
            path = hf_hub_download(repo, name, repo_type=kind, cache_dir=ours, local_files_only=True)
            check(f"Python finds {name} that autolora fetched", Path(path).read_bytes() == body)
hf_hub_download("me/demo", "model.safetensors", cache_dir=ours)
check("online Python asks for no content", not any("blob" in s or s.startswith("GET me/") for s in seen))
report = scan_cache_dir(ours)
check(f"Python's scan of the cache: {len(report.repos)} repositories, no warning", len(report.repos) == 2 and not report.warnings)

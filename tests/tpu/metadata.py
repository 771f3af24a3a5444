"""A VM's metadata server on loopback: /computeMetadata/v1/ with `recursive` and `alt=json`.

https://cloud.google.com/compute/docs/metadata/querying-metadata. It refuses requests without `Metadata-Flavor: Google`.
"""

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

ROOT = "/computeMetadata/v1/"
TOKEN = "ya29.token-of-the-vm"
_FLAVOR = {"Metadata-Flavor": "Google"}


class Metadata:
    """The metadata of one VM, served until `close`.

    Args:
        project, zone, name: where the VM is, and its node's id.
        attributes: the node's metadata.
        account: the e-mail address of the VM's service account.
    """

    def __init__(self, project: str, zone: str, name: str, attributes: dict[str, str], account: str):
        self.attributes = attributes
        service = {
            "aliases": ["default"],
            "email": account,
            "scopes": ["https://www.googleapis.com/auth/cloud-platform"],
            "token": {"access_token": TOKEN, "expires_in": 3599, "token_type": "Bearer"},
        }
        self._instance: dict[str, Any] = {
            "attributes": attributes,
            "hostname": f"{name}.{zone}.c.{project}.internal",
            "id": int(hashlib.sha256(name.encode()).hexdigest()[:15], 16),
            "maintenance-event": "NONE",
            "name": name,
            "preempted": "FALSE",
            "service-accounts": {"default": service, account: service},
            "zone": f"projects/123456789012/zones/{zone}",
        }
        self._project = {"project-id": project, "numeric-project-id": 123456789012}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"metadata": self}))
        self._server.daemon_threads = True
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def preempt(self) -> None:
        """Tell the VM that it is being preempted."""
        self._instance["preempted"] = "TRUE"

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path: str, query: dict[str, str]) -> tuple[int, str, bytes]:
        """Return the status, the content type and the body for a path below /computeMetadata/v1/."""
        value: Any = {"instance": self._instance, "project": self._project}
        parts = [part for part in path.split("/") if part]
        for part in parts:
            if not isinstance(value, dict) or part not in value:
                return 404, "text/html; charset=UTF-8", b"not found\n"
            value = value[part]
        if isinstance(value, dict) and parts[-1:] != ["token"] and query.get("recursive", "").lower() != "true":
            names = [f"{name}/" if isinstance(child, dict) else name for name, child in value.items()]
            return 200, "application/text", "\n".join([*names, ""]).encode()
        if isinstance(value, dict) or query.get("alt") == "json":
            return 200, "application/json", json.dumps(value).encode()
        return 200, "application/text", ("\n".join([*value, ""]) if isinstance(value, list) else str(value)).encode()


class _Handler(BaseHTTPRequestHandler):
    metadata: Metadata

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if self.headers.get("Metadata-Flavor") != "Google" or "X-Forwarded-For" in self.headers:
            status, kind, body = 403, "text/html; charset=UTF-8", b"Missing Metadata-Flavor:Google header.\n"
        elif url.path.startswith(ROOT):
            query = dict(parse_qsl(url.query, keep_blank_values=True))
            status, kind, body = self.metadata.answer(url.path.removeprefix(ROOT), query)
        else:  # Google's libraries ask the bare address whether it is a metadata server
            status, kind, body = 200, "application/text", b"computeMetadata/\n"
        self.send_response(status)
        for name, value in {**_FLAVOR, "Content-Type": kind, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing."""

"""Google Cloud Storage on loopback, in memory, with faults: gcp-storage-emulator with additions.

It adds threads, preconditions (412 for `ifGenerationMatch`), repeated requests of a resumable upload, faults, a log,
and TLS behind CONNECT: TensorFlow's own gs:// knows no other address than Google's, but honours `https_proxy`.

    python tests/gcs/emulator.py WORKDIR BUCKET

writes WORKDIR/ca.pem, prints the port, and ends when its standard input does.
"""

# ruff: noqa: N802 - http.server names its methods so
import datetime
import io
import json
import logging
import re
import ssl
import sys
import threading
import time
from dataclasses import asdict, dataclass
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import gcp_storage_emulator.server as emulated
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from gcp_storage_emulator.exceptions import NotFound
from gcp_storage_emulator.handlers import buckets
from gcp_storage_emulator.storage import Storage

HOSTS = ("www.googleapis.com", "storage.googleapis.com", "oauth2.googleapis.com")


@dataclass
class Fault:
    """A failure of the next `times` requests of a method whose path (with the query) contains `path`.

    Args:
        method, path: the requests that fail.
        status: the answer instead of the right one.
        stored: carry out the request before answering, as if the right answer were lost.
        cut: bytes of the answer's body after which the connection breaks.
        tamper: change a byte of the answer's body.
        delay: seconds before the answer; with `cut`, before the connection breaks.
        times: number of requests that fail.
    """

    method: str
    path: str
    status: int | None = None
    stored: bool = False
    cut: int | None = None
    tamper: bool = False
    delay: float = 0
    times: int = 1


@dataclass(frozen=True)
class Request:
    """A request as it is logged; `range` is its Range or Content-Range."""

    method: str
    path: str
    host: str
    range: str
    status: int


class Handler(emulated.RequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    tls: ssl.SSLContext
    lock = threading.Lock()
    faults: tuple[Fault, ...] = ()
    log: tuple[Request, ...] = ()
    finished: dict[str, bytes]  # the answers to resumable uploads that are complete

    def do_GET(self) -> None:
        self._serve("GET")

    def do_POST(self) -> None:
        self._serve("POST")

    def do_PUT(self) -> None:
        self._serve("PUT")

    def do_PATCH(self) -> None:
        self._serve("PATCH")

    def do_DELETE(self) -> None:
        self._serve("DELETE")

    def do_CONNECT(self) -> None:
        """Continue with TLS on the same connection, as the requested host."""
        self.send_response(200)
        self.end_headers()
        self.wfile.flush()
        self.connection = self.request = self.tls.wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb", -1), self.connection.makefile("wb", -1)
        self.close_connection = False

    def send_header(self, keyword: str, value: str) -> None:
        if keyword == "Location" and isinstance(self.connection, ssl.SSLSocket):
            value = value.replace("http://", "https://", 1)
        super().send_header(keyword, value)

    def _serve(self, method: str) -> None:
        body = self._body()
        if self.path.startswith("http://"):
            self.path = "/" + self.path.split("/", 3)[3]
        if self.path == "/__faults":
            type(self).faults = tuple(Fault(**fault) for fault in json.loads(body))
            self._send(_answer(200, b"{}"))
            return
        if self.path == "/__log":
            with self.lock:
                log, type(self).log = self.log, ()
            self._send(_answer(200, json.dumps([asdict(request) for request in log]).encode()))
            return
        with self.lock:
            fault = next((f for f in self.faults if f.method == method and f.path in self.path and f.times > 0), None)
            if fault:
                fault.times -= 1
        if fault is None:
            self._send(self._answered(method, body), method)
            return
        if fault.cut is None:
            time.sleep(fault.delay)
        answer = b"" if fault.status and not fault.stored else self._answered(method, body)
        if fault.status:
            answer = _error(fault.status, "injected")
        if fault.tamper:
            answer = answer[:-1] + bytes([answer[-1] ^ 1])
        if fault.cut is None:
            self._send(answer, method)
        else:
            self._send(answer[: answer.index(b"\r\n\r\n") + 4 + fault.cut], method)
            time.sleep(fault.delay)
            self.close_connection = True

    def _send(self, answer: bytes, method: str | None = None) -> None:
        if method:
            span = self.headers.get("Range") or self.headers.get("Content-Range") or ""
            request = Request(method, self.path, self.headers.get("Host", ""), span, int(answer.split(b" ", 2)[1]))
            with self.lock:
                type(self).log += (request,)
        self.wfile.write(answer)
        self.wfile.flush()

    def _body(self) -> bytes:
        """The request's body; TensorFlow sends a length and chunks."""
        if "chunked" not in self.headers.get("Transfer-Encoding", "").lower():
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _answered(self, method: str, body: bytes) -> bytes:
        """Carry out a request; its answer as it goes over the wire."""
        del self.headers["Transfer-Encoding"], self.headers["Content-Length"]
        self.headers["Content-Length"] = str(len(body))
        url = urlsplit(self.path)
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        bucket, _, name = url.path.partition("/b/")[2].partition("/o")
        name = unquote(name.removeprefix("/"))
        upload = query.get("upload_id", "")
        with self.lock:
            if bucket and bucket not in self.storage.buckets:
                return _error(404, "The specified bucket does not exist.")
            if upload in self.finished:
                return self.finished[upload]
            if upload:
                name = self.storage.get_resumable_file_obj(upload)["name"]
                body = self._new_bytes(upload, body)
            elif method == "POST" and not name:
                name = query.get("name") or _name_in(body)
            if "ifGenerationMatch" in query and self._completes(upload):
                generation = self._generation(bucket, name)
                if generation != int(query["ifGenerationMatch"]) and (generation or method == "POST" or upload):
                    return _error(412, "At least one of the pre-conditions you specified did not hold.")
            stream, sink = self.rfile, self.wfile
            self.rfile, self.wfile = io.BytesIO(body), io.BytesIO()
            try:
                emulated.Router(self).handle(method)
                answer = self.wfile.getvalue()
            finally:
                self.rfile, self.wfile = stream, sink
            if answer.startswith(b"HTTP/1.1 404") and answer.endswith(b"\r\n\r\n"):
                return _error(404, f"No such object: {bucket}/{name}")
            if upload and answer.startswith(b"HTTP/1.1 200"):
                self.finished[upload] = answer
        return answer

    def _new_bytes(self, upload: str, body: bytes) -> bytes:
        """The bytes that a chunk adds to earlier chunks: a client sends a chunk again if its answer was lost."""
        span = re.fullmatch(r"bytes (\d+)-(\d+)(/.+)", self.headers.get("Content-Range", ""))
        if span:
            received = self.storage.get_resumable_byte_count(upload)
            body = body[received - int(span[1]) :]
            new = f"bytes {received}-{span[2]}{span[3]}" if body else f"bytes *{span[3]}"
            self.headers.replace_header("Content-Range", new)
            self.headers.replace_header("Content-Length", str(len(body)))
        return body

    def _completes(self, upload: str) -> bool:
        """Return True unless more requests of the same resumable upload must follow."""
        span = re.fullmatch(r"bytes \d+-(\d+)/(\d+)", self.headers.get("Content-Range", ""))
        return not upload or (span is not None and int(span[1]) + 1 == int(span[2]))

    def _generation(self, bucket: str, name: str) -> int:
        try:
            return int(self.storage.get_file_obj(bucket, name)["generation"])
        except NotFound:
            return 0


def start(folder: Path, bucket: str) -> int:
    """Serve an empty bucket on loopback, from threads of this process; returns the port."""
    logging.disable()
    read_data: Any = emulated._read_data

    def read_empty_too(handler: Any, query: dict[str, list[str]]) -> Any:
        data = read_data(handler, query)
        return b"" if data is None and "media" in query.get("uploadType", []) else data

    emulated._read_data = read_empty_too  # TensorFlow's folders are uploads of nothing
    _certify(folder)
    Handler.finished = {}
    Handler.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    Handler.tls.load_cert_chain(folder / "server.pem")
    storage = Storage(use_memory_fs=True)
    buckets.create_bucket(bucket, storage)
    ThreadingHTTPServer.request_queue_size = 64
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, storage))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


def _name_in(body: bytes) -> str:
    """The object's name in the metadata of an upload."""
    name = re.search(rb'"name": *("(?:[^"\\]|\\.)*")', body)
    return json.loads(name[1]) if name else ""


def _error(status: int, message: str) -> bytes:
    return _answer(status, json.dumps({"error": {"code": status, "message": message}}).encode())


def _answer(status: int, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status} answer\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _certify(folder: Path) -> None:
    """Write ca.pem, and server.pem that it vouches for: Google's hosts, for a day."""
    now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    issuer, subject = (
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in ("tests of glr", HOSTS[0])
    )
    names = x509.SubjectAlternativeName([x509.DNSName(host) for host in HOSTS])
    blank = x509.CertificateBuilder().issuer_name(issuer).not_valid_before(now - day).not_valid_after(now + day)
    authority, server = (
        blank.subject_name(owner)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .add_extension(x509.BasicConstraints(ca=owner is issuer, path_length=None), critical=True)
        .add_extension(names, critical=False)
        .sign(keys[0], hashes.SHA256())
        for owner, key in zip((issuer, subject), keys, strict=True)
    )
    pem = serialization.Encoding.PEM
    private = keys[1].private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "ca.pem").write_bytes(authority.public_bytes(pem))
    (folder / "server.pem").write_bytes(server.public_bytes(pem) + private)


if __name__ == "__main__":
    print(start(Path(sys.argv[1]), sys.argv[2]), flush=True)
    sys.stdin.read()

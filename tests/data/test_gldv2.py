"""GLDv2 is downloaded from a real server on this machine that cuts connections and sends wrong bytes."""

import hashlib
import io
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from glr.data import download as http
from glr.data import gldv2
from glr.data.gldv2 import download
from glr.data.source import CsvSource
from glr.errors import GlrError
from tests.conftest import folder_source

TABLES = ("metadata/train.csv", "metadata/index.csv", "metadata/test.csv", "ground_truth/retrieval.csv")
ARCHIVE = "/train/images_001.tar"


@dataclass
class Server:
    """Files by path, the faults of each path (one a request), and the requests: (path, range)."""

    files: dict[str, bytes]
    faults: dict[str, list[str]] = field(default_factory=dict)
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    url: str = ""

    def asked(self, path: str) -> list[str | None]:
        return [span for name, span in self.requests if name == path]


def handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            span = self.headers["Range"]
            server.requests.append((self.path, span))
            fault = server.faults.get(self.path, [])
            fault = fault.pop(0) if fault else ""
            if self.path not in server.files or fault == "busy":
                self.send_error(503 if fault == "busy" else 404)
                return
            content, start = server.files[self.path], 0
            if span and fault != "no ranges":
                start = int(span.removeprefix("bytes=").removesuffix("-"))
                if start >= len(content):
                    self.send_error(416)
                    return
            if fault == "wrong":
                content = content[:-1] + b"x"
            self.send_response(206 if span and fault != "no ranges" else 200)
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            self.wfile.write(content[start : start + 5000] if fault == "cut" else content[start:])

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


def tar(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in files.items():
            (info := tarfile.TarInfo(name)).size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def image(split: str, number: int) -> tuple[str, bytes]:
    return f"a/b/{number}/ab{number}.jpg", np.random.default_rng([len(split), number]).bytes(9000)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Two archives of each split, with checksums, and four CSVs."""
    monkeypatch.setattr(http, "_PAUSE", 0.01)
    monkeypatch.setattr(http, "_CHUNK", 1000)
    monkeypatch.setattr(gldv2, "ARCHIVES", dict.fromkeys(gldv2.ARCHIVES, 2))
    files = {f"/{name}": f"content of {name}".encode() for name in TABLES}
    for split in ("train", "index", "test"):
        for n in range(2):
            content = tar(dict([image(split, n)]))
            files[f"/{split}/images_00{n}.tar"] = content
            line = f"{hashlib.md5(content).hexdigest()}  images_00{n}.tar\n"
            files[f"/md5sum/{split}/md5.images_00{n}.txt"] = line.encode()
    served = Server(files)
    listener = ThreadingHTTPServer(("127.0.0.1", 0), handler(served))
    served.url = f"http://127.0.0.1:{listener.server_port}"
    thread = threading.Thread(target=listener.serve_forever, args=(0.01,))
    thread.start()
    yield served
    listener.shutdown()
    thread.join()
    listener.server_close()


def source(path: Path | str) -> CsvSource:
    names = {"train_csv": "train.csv", "train_images": "train", "index_csv": "index.csv", "index_images": "index"}
    names |= {"query_csv": "test.csv", "query_images": "test", "retrieval_solution": "retrieval.csv"}
    return CsvSource(path=str(path), recognition_solution=None, **names)


def check(folder: Path) -> None:
    for split in ("train", "index", "test"):
        files = {f.relative_to(folder / split).as_posix(): f.read_bytes() for f in (folder / split).rglob("*.jpg")}
        assert files == dict(image(split, n) for n in range(2))
    for name in TABLES:
        assert (folder / Path(name).name).read_bytes() == f"content of {name}".encode()
    state = {file.name for file in (folder / ".download").iterdir()} - {"lock"}
    assert state == {f"{split}-images_00{n}.done" for split in ("train", "index", "test") for n in range(2)}


def test_everything_arrives_despite_faults_and_a_second_start_asks_for_nothing(server: Server, tmp_path: Path):
    server.faults = {
        ARCHIVE: ["cut", "busy"],
        "/train/images_000.tar": ["wrong"],
        "/index/images_000.tar": ["cut", "no ranges"],
        "/metadata/train.csv": ["busy"],
    }
    download(source(tmp_path), f"{server.url}/", threads=2)
    check(tmp_path)
    assert server.asked(ARCHIVE) == [None, "bytes=5000-", "bytes=5000-"]
    assert server.asked("/train/images_000.tar") == [None, None]
    server.requests.clear()
    download(source(tmp_path), server.url, threads=2)
    assert server.requests == []


def test_an_archive_whose_unpacking_was_interrupted_is_not_received_again(server: Server, tmp_path: Path):
    download(source(tmp_path), server.url, threads=2)
    state = tmp_path / gldv2.STATE
    (state / "train-images_001.done").unlink()
    (state / "train-images_001.tar").write_bytes(server.files[ARCHIVE])
    server.requests.clear()
    download(source(tmp_path), server.url, threads=2)
    assert server.asked(ARCHIVE) == [f"bytes={len(server.files[ARCHIVE])}-"]
    check(tmp_path)


def test_a_file_that_stays_damaged_ends_it_and_the_next_start_continues(server: Server, tmp_path: Path):
    content = server.files[ARCHIVE]
    server.files[ARCHIVE] = content[:5000]  # the server's copy is not whole
    with pytest.raises(GlrError, match=r"train/images_001\.tar arrives damaged \(wrong MD5\), twice"):
        download(source(tmp_path), server.url, threads=1)
    assert not (tmp_path / "train/a/b/1").exists()
    server.files[ARCHIVE] = content
    (tmp_path / ".download/train-images_001.tar.part").write_bytes(content[:7000])  # as a kill leaves it
    server.requests.clear()
    download(source(tmp_path), server.url, threads=1)
    check(tmp_path)
    assert server.asked(ARCHIVE) == ["bytes=7000-"]
    assert server.asked("/train/images_000.tar") == []  # it was unpacked by the first call


def test_the_part_of_a_server_that_stays_busy_is_kept(server: Server, tmp_path: Path):
    server.faults = {ARCHIVE: ["cut", *["busy"] * 6]}
    with pytest.raises(GlrError, match=r"images_001\.tar: the server answers 503 .*; check download_url"):
        download(source(tmp_path), server.url, threads=1)
    assert (tmp_path / ".download/train-images_001.tar.part").stat().st_size == 5000


def test_wrong_addresses_and_archives_are_named(server: Server, tmp_path: Path):
    with pytest.raises(GlrError, match=r"/nowhere/.*: the server answers 404 Not Found; check download_url"):
        download(source(tmp_path), f"{server.url}/nowhere", threads=1)
    server.files["/md5sum/train/md5.images_000.txt"] = b"<html>"
    with pytest.raises(GlrError, match=r"md5\.images_000\.txt holds no MD5 checksum"):
        download(source(tmp_path), server.url, threads=1)
    content = tar({"../outside.jpg": b"x"})
    server.files["/train/images_000.tar"] = content
    server.files["/md5sum/train/md5.images_000.txt"] = hashlib.md5(content).hexdigest().encode()
    with pytest.raises(GlrError, match=r"images_000\.tar cannot be unpacked: .*outside"):
        download(source(tmp_path), server.url, threads=1)
    assert not (tmp_path / "outside.jpg").exists()


def test_nobody_listens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(http, "_PAUSE", 0.01)
    with pytest.raises(GlrError, match=r"train\.csv: .*[Cc]onnection refused.*try again later"):
        download(source(tmp_path), "http://127.0.0.1:9", threads=1)


def test_only_gldv2_on_a_disk_is_downloaded(tmp_path: Path):
    with pytest.raises(GlrError, match=r"download=true: glr can download data=gldv2_clean and data=gldv2_full only"):
        download(folder_source(tmp_path), "http://127.0.0.1:9", threads=1)
    with pytest.raises(GlrError, match="is a bucket; give a folder on a disk"):
        download(source("gs://bucket/gldv2"), "http://127.0.0.1:9", threads=1)

"""Transfers between a local disk and a loopback Google Cloud Storage: broken off, killed, damaged, many at once."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from glr import storage
from glr.errors import GlrError
from glr.storage import FileInfo
from tests.conftest import no_file_beyond
from tests.gcs.emulator import Fault
from tests.gcs.fixture import Gcs
from tests.storage.test_paths import MIB, ROOT, crc32c, noise


def child(code: str, *arguments: str | Path, environment: dict[str, str] | None = None) -> subprocess.Popen[str]:
    line = [sys.executable, "-c", f"import sys; from pathlib import Path; from glr import storage; {code}"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([*line, *map(str, arguments)], cwd=ROOT, env=environment, text=True, **pipes)


def wait_for(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture
def local_files(tmp_path: Path) -> dict[str, bytes]:
    """Six files, by path: none, few and many bytes, and more than one request carries."""
    sizes = (0, 1, 1000, MIB, 9 * MIB, 20 * MIB)
    contents = {f"{tmp_path}/source/{number}.bin": noise(size, number) for number, size in enumerate(sizes)}
    for name, data in contents.items():
        storage.write(name, data)
    return contents


def transfers(names: dict[str, bytes], folder: str) -> list[tuple[Path, str]]:
    return [(Path(name), storage.join(folder, Path(name).name)) for name in names]


def test_many_files_go_up_and_down(gcs: Gcs, gcs_folder: str, local_files: dict[str, bytes], tmp_path: Path):
    up = transfers(local_files, gcs_folder)
    down = [(path, tmp_path / "target" / name.name) for name, path in up]
    total = sum(map(len, local_files.values()))
    for sent in (True, False):
        done: list[int] = []
        storage.upload(up, threads=3, progress=done.append)
        assert sum(done) == total
        assert any(request.method == "POST" for request in gcs.log()) == sent
    assert storage.files(gcs_folder) == {
        Path(name).name: FileInfo(len(data), crc32c(data)) for name, data in local_files.items()
    }
    for sent in (True, False):
        done = []
        storage.download(down, threads=3, progress=done.append)
        assert sum(done) == total
        assert any(request.path.startswith("/download") for request in gcs.log()) == sent
    assert {str(tmp_path / "source" / file.name): file.read_bytes() for _, file in down} == local_files
    assert {file.name for file in (tmp_path / "target").iterdir()} == {file.name for _, file in down}


def test_an_upload_refuses_to_replace_other_content(gcs_folder: str, tmp_path: Path):
    source, target = tmp_path / "file", f"{gcs_folder}/file"
    storage.write(source, b"new")
    storage.write(target, b"old")
    with pytest.raises(GlrError, match=rf"^{target} exists already with other content; delete it, or"):
        storage.upload([(source, target)])
    assert storage.read(target) == b"old"
    storage.upload([(source, target)], overwrite=True)
    assert storage.read(target) == b"new"


def test_the_first_file_that_fails_ends_a_transfer(gcs_folder: str, tmp_path: Path):
    with pytest.raises(GlrError, match=r"/source/missing does not exist; correct the path$"):
        storage.upload([(tmp_path / "source/missing", f"{gcs_folder}/missing")])
    with pytest.raises(GlrError, match=rf"^{gcs_folder}/missing does not exist; correct the path$"):
        storage.download([(f"{gcs_folder}/missing", tmp_path / "missing")])
    assert list(tmp_path.iterdir()) == []


def test_a_download_replaces_what_is_there_and_what_was_begun_of_an_older_one(gcs_folder: str, tmp_path: Path):
    source, target = f"{gcs_folder}/file", tmp_path / "file"
    storage.write(source, b"new")
    storage.write(target, b"old")
    for name in ("file.123.part", "other.123.part"):
        storage.write(tmp_path / name, b"ne")
    storage.download([(source, target)])
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"file": b"new", "other.123.part": b"ne"}


def test_a_full_disk_during_a_download(gcs_folder: str, tmp_path: Path):
    storage.write(f"{gcs_folder}/file", noise(3 * MIB))
    target = tmp_path / "file"
    with pytest.raises(GlrError, match=rf"^{target}: File too large; make room"), no_file_beyond(MIB):
        storage.download([(f"{gcs_folder}/file", target)])
    assert not target.exists()
    storage.download([(f"{gcs_folder}/file", target)])
    assert target.read_bytes() == noise(3 * MIB)


def test_threads_and_processes_may_download_the_same_file(gcs: Gcs, gcs_folder: str, tmp_path: Path):
    source, target, data = f"{gcs_folder}/file", tmp_path / "file", noise(2 * MIB)
    storage.write(source, data)
    gcs.fault(Fault("GET", "/download", delay=0.5))
    code = "storage.download([(sys.argv[1], Path(sys.argv[2]))] * 4); print('done')"
    processes = [child(code, source, target) for _ in range(2)]
    assert [process.communicate()[0] for process in processes] == ["done\n"] * 2
    assert [file.name for file in tmp_path.iterdir()] == ["file"]
    assert target.read_bytes() == data
    assert len([request for request in gcs.log() if request.path.startswith("/download")]) == 1


@pytest.mark.parametrize("size", [100, 3 * MIB])
def test_a_download_that_breaks_off_goes_on(gcs: Gcs, gcs_folder: str, tmp_path: Path, size: int):
    path, data = f"{gcs_folder}/file", noise(size)
    storage.write(path, data)
    gcs.fault(Fault("GET", "/download", cut=size // 2, times=2))
    assert storage.read(path) == data
    assert storage.read(path, 10, size - 10) == data[10:-10]
    gcs.fault(Fault("GET", "/download", cut=size // 2))
    storage.download([(path, tmp_path / "file")])
    assert (tmp_path / "file").read_bytes() == data
    spans = [request.range for request in gcs.log() if request.path.startswith("/download")]
    assert f"bytes={size // 2}-{size - 1}" in spans


def test_a_download_that_is_killed_goes_on_in_another_process(gcs: Gcs, gcs_folder: str, tmp_path: Path):
    source, target, data = f"{gcs_folder}/file", tmp_path / "file", noise(4 * MIB)
    storage.write(source, data)
    gcs.fault(Fault("GET", "/download", cut=3 * MIB, delay=60))
    process = child("storage.download([(sys.argv[1], Path(sys.argv[2]))])", source, target)
    wait_for(lambda: sum(part.stat().st_size for part in tmp_path.iterdir()) > 2 * MIB)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    (part,) = tmp_path.iterdir()
    had = part.stat().st_size
    assert part.name.endswith(".part")
    gcs.log()
    done: list[int] = []
    storage.download([(source, target)], progress=done.append)
    assert target.read_bytes() == data
    assert [file.name for file in tmp_path.iterdir()] == ["file"]
    assert done == [had, len(data) - had]
    spans = [request.range for request in gcs.log() if request.path.startswith("/download")]
    assert spans == [f"bytes={had}-{len(data) - 1}"]


def test_what_was_begun_of_a_replaced_file_is_not_continued(gcs: Gcs, gcs_folder: str, tmp_path: Path):
    source, target, data = f"{gcs_folder}/file", tmp_path / "file", noise(4 * MIB)
    storage.write(source, data)
    gcs.fault(Fault("GET", "/download", cut=3 * MIB, delay=1))
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(storage.download, [(source, target)])
        wait_for(lambda: list(tmp_path.iterdir()))
        storage.write(source, noise(4 * MIB, 1), overwrite=True)
        with pytest.raises(GlrError, match=rf"^{source} was changed by someone else just now; start again$"):
            future.result()
    assert list(tmp_path.iterdir()) == []


def test_an_upload_that_is_killed_leaves_nothing_to_be_seen(gcs: Gcs, gcs_folder: str, tmp_path: Path):
    source, target, data = tmp_path / "file", f"{gcs_folder}/file", noise(20 * MIB)
    storage.write(source, data)
    gcs.fault(Fault("PUT", "upload_id", 503, stored=True, delay=3))
    process = child("storage.upload([(Path(sys.argv[1]), sys.argv[2])])", source, target)
    # The first chunk's request hangs once its session has been opened.
    wait_for(lambda: any("uploadType=resumable" in request.path for request in gcs.log()))
    time.sleep(0.5)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert storage.files(gcs_folder) == {}
    storage.upload([(source, target)])
    assert storage.files(gcs_folder) == {"file": FileInfo(len(data), crc32c(data))}


def test_a_damaged_download_is_tried_again_once(gcs: Gcs, gcs_folder: str, tmp_path: Path):
    source, target, data = f"{gcs_folder}/file", tmp_path / "file", noise(MIB)
    storage.write(source, data)
    gcs.fault(Fault("GET", "/download", tamper=True))
    done: list[int] = []
    storage.download([(source, target)], progress=done.append)
    assert target.read_bytes() == data
    assert sum(done) == len(data)
    gcs.fault(Fault("GET", "/download", tamper=True))
    assert storage.read(source) == data


def test_a_download_that_stays_damaged_is_refused(gcs: Gcs, gcs_folder: str, tmp_path: Path):
    source, target = f"{gcs_folder}/file", tmp_path / "file"
    storage.write(source, noise(MIB))
    gcs.fault(Fault("GET", "/download", tamper=True, times=2))
    with pytest.raises(GlrError, match=rf"^{source} arrives damaged \(wrong checksum\), twice; try again later$"):
        storage.download([(source, target)])
    assert list(tmp_path.iterdir()) == []
    gcs.fault(Fault("GET", "/download", tamper=True, times=3))
    with pytest.raises(GlrError, match=rf"^{source} changes while it is read, or arrives damaged; try again later$"):
        storage.read(source)

"""Google Cloud Storage on loopback: refusals, a busy service, lost answers, and concurrent writers."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from glr import storage
from glr.errors import GlrError
from glr.storage import FileInfo, bucket, transfer
from tests.gcs.emulator import Fault
from tests.gcs.fixture import Gcs
from tests.storage.test_paths import MIB, crc32c, noise
from tests.storage.test_transfer import child


def test_the_library_is_not_imported_for_local_files(tmp_path: Path):
    code = "storage.write(sys.argv[1], b'1'); storage.files(sys.argv[2]); print('google.cloud.storage' in sys.modules)"
    assert child(code, tmp_path / "file", tmp_path).communicate()[0] == "False\n"


@pytest.mark.parametrize("path", ["gs://", "gs:///name", Path("gs://bucket/name")])
def test_a_path_without_a_bucket_is_refused(path: str | Path):
    for call in (storage.read, storage.exists, storage.files, storage.delete, lambda path: storage.write(path, b"")):
        with pytest.raises(GlrError, match=r"^gs:/.* names no bucket; .* reads gs://BUCKET/NAME$"):
            call(path)


@pytest.mark.parametrize("path", ["gs://bucket", "gs://bucket/", "gs://bucket/folder/"])
def test_a_path_without_a_file_is_refused(gcs: Gcs, path: str):
    with pytest.raises(GlrError, match=rf"^{path} names no file; .* reads gs://BUCKET/NAME$"):
        storage.read(path)
    assert gcs.host


def test_files_lists_a_whole_bucket_without_its_folders_objects(gcs: Gcs, gcs_folder: str):
    storage.write(f"{gcs_folder}/file", b"1")
    blob = bucket._client().bucket(gcs.bucket).blob(f"{gcs_folder.removeprefix('gs://tests/')}/empty/")
    blob.upload_from_string(b"")
    assert f"{gcs_folder.removeprefix('gs://tests/')}/file" in storage.files("gs://tests")
    assert not [name for name in storage.files("gs://tests/") if name.endswith("/")]


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_service_is_asked_again(gcs: Gcs, gcs_folder: str, status: int, tmp_path: Path):
    path, data = f"{gcs_folder}/file", noise(9 * MIB)
    storage.write(tmp_path / "file", data)
    gcs.fault(*(Fault(method, "/b/", status) for method in ("POST", "PUT", "GET", "DELETE")))
    storage.upload([(tmp_path / "file", path)])
    gcs.fault(Fault("GET", "/o?", status), Fault("GET", "/download", status), Fault("DELETE", "/b/", status))
    assert list(storage.files(gcs_folder)) == ["file"]
    assert storage.read(path) == data
    storage.delete(path)
    assert not storage.exists(path)
    assert [request.status for request in gcs.log()].count(status) == 6


def test_a_busy_service_between_the_chunks_of_an_upload(gcs: Gcs, gcs_folder: str, tmp_path: Path):
    data = noise(40 * MIB)
    storage.write(tmp_path / "file", data)
    for fault in (Fault("PUT", "upload_id", 503), Fault("PUT", "upload_id", 503, stored=True)):
        gcs.fault(fault)
        storage.upload([(tmp_path / "file", f"{gcs_folder}/file")])
        assert storage.files(gcs_folder)["file"] == FileInfo(len(data), crc32c(data))
        storage.delete(f"{gcs_folder}/file")
        assert [request.status for request in gcs.log() if request.method == "PUT"] == [503, 308, 308, 200]


def test_a_service_that_stays_busy_is_said(gcs: Gcs, gcs_folder: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bucket, "_PATIENCE", 0.5)
    gcs.fault(Fault("GET", "/b/", 503, times=1000))
    with pytest.raises(
        GlrError, match=rf"^{gcs_folder}/file: Google Cloud Storage failed for 0 seconds \(503 .*later$"
    ):
        storage.read(f"{gcs_folder}/file")


def test_a_service_out_of_reach_is_said(gcs_folder: str):
    code = "from glr.storage import bucket; bucket._PATIENCE = 0.5; storage.read(sys.argv[1])"
    environment = {**os.environ, "STORAGE_EMULATOR_HOST": "http://127.0.0.1:9"}
    error = child(code, f"{gcs_folder}/file", environment=environment).communicate()[1].splitlines()[-1]
    assert error.startswith(
        f"glr.storage.bucket.UnreachableError: {gcs_folder}/file: Google Cloud Storage failed for 0 seconds ("
    )
    assert "Connection refused" in error


@pytest.mark.parametrize("size", [100, 9 * MIB], ids=["multipart", "resumable"])
def test_an_upload_that_arrives_damaged_is_not_stored(
    gcs_folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
):
    storage.write(tmp_path / "file", noise(size))
    monkeypatch.setattr(transfer, "checksum", lambda _: crc32c(b"as it was read the first time"))
    with pytest.raises(GlrError, match=r"/file: Google Cloud Storage refused the request \(400 .*\)$"):
        storage.upload([(tmp_path / "file", f"{gcs_folder}/file")])
    assert storage.files(gcs_folder) == {}


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("size", [100, 9 * MIB], ids=["multipart", "resumable"])
def test_a_lost_answer_is_no_failure(gcs: Gcs, gcs_folder: str, size: int, overwrite: bool):
    path, data = f"{gcs_folder}/file", noise(size)
    if overwrite:
        storage.write(path, b"old")
    gcs.fault(Fault("POST" if size == 100 else "PUT", "/upload", 503, stored=True))
    storage.write(path, data, overwrite=overwrite)
    assert storage.read(path) == data


def test_a_lost_answer_does_not_hide_someone_elses_file(gcs: Gcs, gcs_folder: str):
    storage.write(f"{gcs_folder}/file", b"theirs")
    gcs.fault(Fault("POST", "/upload", 503))
    with pytest.raises(GlrError, match=r"/file exists already; look at it"):
        storage.write(f"{gcs_folder}/file", b"ours")
    assert storage.read(f"{gcs_folder}/file") == b"theirs"


@pytest.mark.parametrize("size", [100, 9 * MIB], ids=["multipart", "resumable"])
def test_a_file_that_changes_during_an_overwrite_is_left(gcs: Gcs, gcs_folder: str, size: int):
    path = f"{gcs_folder}/file"
    storage.write(path, b"old")
    gcs.fault(Fault("POST" if size == 100 else "PUT", "/upload", delay=1))
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(storage.write, path, bytes(size), overwrite=True)
        time.sleep(0.5)
        storage.write(path, b"theirs", overwrite=True)
        with pytest.raises(GlrError, match=r"/file was changed by someone else just now; look at it, then"):
            future.result()
    assert storage.read(path) == b"theirs"


def test_a_file_that_changes_before_it_is_deleted_is_left(gcs: Gcs, gcs_folder: str):
    path = f"{gcs_folder}/file"
    storage.write(path, b"old")
    gcs.fault(Fault("DELETE", "/o/", delay=1))
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(storage.delete, path)
        time.sleep(0.5)
        storage.write(path, b"theirs", overwrite=True)
        with pytest.raises(GlrError, match=rf"^{path} was changed by someone else just now; start again$"):
            future.result()
    assert storage.read(path) == b"theirs"


def test_a_bucket_that_is_missing(gcs: Gcs, tmp_path: Path):
    path = "gs://nowhere/file"
    storage.write(tmp_path / "file", bytes(9 * MIB))
    for call in (
        lambda: storage.read(path),
        lambda: storage.exists(path),
        lambda: storage.files("gs://nowhere"),
        lambda: storage.delete(path),
        lambda: storage.write(path, b""),
        lambda: storage.upload([(tmp_path / "file", path)]),
        lambda: storage.download([(path, tmp_path / "target")]),
    ):
        with pytest.raises(GlrError, match=r"^gs://nowhere.*: there is no bucket gs://nowhere; create it, or correct"):
            call()
    assert gcs.host


def test_a_permission_that_is_missing_is_named(gcs: Gcs, gcs_folder: str):
    path = f"{gcs_folder}/file"
    sentence = rf"^{path}: permission denied; give this account the role roles/storage.object%s on gs://tests$"
    gcs.fault(Fault("GET", "/b/", 403))
    with pytest.raises(GlrError, match=sentence % "Viewer"):
        storage.read(path)
    gcs.fault(Fault("POST", "/upload", 403))
    with pytest.raises(GlrError, match=sentence % "User"):
        storage.write(path, b"1")
    storage.write(path, b"1")
    gcs.fault(Fault("DELETE", "/b/", 403))
    with pytest.raises(GlrError, match=sentence % "User"):
        storage.delete(path)


def test_credentials_that_are_missing_are_said(gcs: Gcs, gcs_folder: str, tmp_path: Path):
    gcs.fault(Fault("GET", "/b/", 401))
    advice = r"no credentials for Google Cloud Storage; run gcloud auth application-default login, or set GOOGLE_APP"
    with pytest.raises(GlrError, match=f"^{gcs_folder}/file: {advice}"):
        storage.read(f"{gcs_folder}/file")
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("GOOGLE_", "STORAGE_"))}
    alone = {**variables, "HOME": str(tmp_path), "CLOUDSDK_CONFIG": str(tmp_path), "NO_GCE_CHECK": "true"}
    error = child("storage.read('gs://bucket/name')", environment=alone).communicate()[1].splitlines()[-1]
    assert f"CredentialsError: gs://bucket/name: {advice}" in error


def test_spawned_processes_and_threads_use_it_at_once(gcs: Gcs, gcs_folder: str):
    code = (
        "from multiprocessing import get_context; "
        "from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor; "
        "storage.write(sys.argv[1], b'data'); "
        "pool = ProcessPoolExecutor(2, get_context(sys.argv[2])); threads = ThreadPoolExecutor(4); "
        "print(set(pool.map(storage.read, [sys.argv[1]] * 4)), set(threads.map(storage.read, [sys.argv[1]] * 16)))"
    )
    processes = [child(code, f"{gcs_folder}/{method}", method) for method in ("spawn", "fork")]
    assert [process.communicate()[0] for process in processes] == ["{b'data'} {b'data'}\n"] * 2
    assert gcs.host


@pytest.mark.usefixtures("gcs")
def test_another_version_of_the_library_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delattr("google.cloud.client.Client._http")
    bucket._client_of.cache_clear()
    with pytest.raises(GlrError, match=r"^glr needs google-cloud-storage 3: .*_http"):
        storage.read("gs://tests/file")

"""Attempts at a job, in the bucket."""

import json
from pathlib import Path

import pytest

from glr import storage
from glr.errors import GlrError
from glr.storage import bucket
from glr.sweep.tpu import attempt
from glr.sweep.tpu.attempt import Order, Status


def order(**values) -> Order:
    given = {"arguments": ["seed=1"], "first": [], "environment": {}, "secrets": {}, "project": "p", "minutes": None}
    return Order(**given | {"hours": 1.0, "period": 0.2, "price": 3.6, "shown": "study: seed=1"} | values)


def test_one_process_claims_an_attempt(gcs_folder: str):
    folder = f"{gcs_folder}/jobs/ab/1"
    assert attempt.write_order(folder, order())
    assert not attempt.write_order(folder, order(price=9.0))
    assert attempt.read_order(folder) == order()
    attempt.write_order(f"{gcs_folder}/jobs/ab/12", order())
    storage.write(f"{gcs_folder}/jobs/ab/journal/x.jsonl", b"")
    assert attempt.attempts(attempt.job_folder(gcs_folder, "ab")) == [1, 12]
    assert attempt.attempts(attempt.job_folder(gcs_folder, "other")) == []


def test_reports_and_what_attempts_cost(gcs_folder: str):
    job = attempt.job_folder(gcs_folder, "ab")
    for number, seconds in ((1, 100.0), (2, 50.0), (3, 0.0)):
        attempt.write_order(f"{job}/{number}", order())
        if seconds:
            attempt.write_status(f"{job}/{number}", Status("running", seconds, None, {"epoch": 1}, number))
    assert attempt.read_status(f"{job}/2") == Status("running", 50.0, None, {"epoch": 1}, 2)
    assert attempt.read_status(f"{job}/3") == Status()
    assert attempt.spent(job) == pytest.approx(0.15)
    assert attempt.spent(job, but=f"{job}/1") == pytest.approx(0.05)
    assert not attempt.is_asked_to_stop(f"{job}/2")
    attempt.ask_to_stop(f"{job}/2")
    assert attempt.is_asked_to_stop(f"{job}/2")


def test_of_a_log_that_grows_only_the_last_part_is_written_again(
    gcs_folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(attempt, "PART", 10)
    folder, log, here = f"{gcs_folder}/jobs/ab/1", tmp_path / "log.txt", tmp_path / "here.txt"
    stored = read = 0
    for size in (4, 10, 11, 35, 35):
        log.write_bytes(bytes(range(size)))
        before = {name: bucket.existing(f"{folder}/{name}").generation for name in storage.files(folder)}
        stored = attempt.write_log(folder, log, stored)
        after = {name: bucket.existing(f"{folder}/{name}").generation for name in storage.files(folder)}
        whole = min(read // 10, size // 10)
        kept = ["log.txt", "log-1.txt", "log-2.txt", "log-3.txt"][: len(after) if size == read else whole]
        assert [name for name in after if before.get(name) == after[name]] == sorted(kept)
        read = attempt.append_log(folder, here, read)
        assert (stored, read, here.read_bytes()) == (size, size, log.read_bytes())
    assert storage.files(folder).keys() == {"log.txt", "log-1.txt", "log-2.txt", "log-3.txt"}


def test_a_full_disk_ends_no_job(gcs_folder: str):
    storage.write(f"{gcs_folder}/jobs/ab/1/log.txt", b"epoch 1")
    attempt.append_log(f"{gcs_folder}/jobs/ab/1", Path("/dev/full"), 0)


def test_files_of_another_version(gcs_folder: str):
    folder = f"{gcs_folder}/jobs/ab/1"
    storage.write(f"{folder}/request.json", json.dumps({"price": 7.2}).encode())
    storage.write(f"{folder}/status.json", b'{"stage": "ended", "mood": "good"}')
    assert attempt.price(folder) == 7.2
    assert attempt.read_status(folder) == Status()
    with pytest.raises(GlrError, match=r"request.json is damaged, or of another version of glr"):
        attempt.read_order(folder)

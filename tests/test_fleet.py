"""`python -m glr.fleet` as users run it: it shows the slices of sweeps, ends them, and ends only those."""

from pathlib import Path

import pytest
from grpc import StatusCode

from glr import storage
from glr.sweep.tpu import attempt
from glr.sweep.tpu.attempt import Order, Status
from glr.sweep.tpu.queued import QueuedResources
from glr.sweep.tpu.slices import FOLDER, JOB_LABEL, SWEEP_LABEL, Slice
from tests.conftest import here
from tests.gcs.emulator import Fault
from tests.gcs.fixture import Gcs
from tests.sweep.conftest import until
from tests.tpu.client import connect
from tests.tpu.service import Fault as Busy
from tests.tpu.service import TpuService
from tests.tpu.test_service import asked

KEY, ZONE = "0123456789abcde", "us-west4-a"
LINE = ["project=tests", f"zones=[{ZONE},us-west4-b]"]
# A job that saves when it is asked to.
SCRIPT = """
until gcloud storage cp {folder}/stop . 2> /dev/null; do sleep 0.2; done
echo '{{"stage": "ended", "seconds": 1810, "code": 75, "progress": {{}}, "beat": 2}}' > status.json
gcloud storage cp status.json {folder}/status.json
sleep 1000
"""


@pytest.fixture
def slices(tpu: TpuService, gcs_folder: str) -> list[str]:
    """A slice at work, one that was taken away in the other zone, and somebody else's; the names of glr's."""
    queue = QueuedResources("tests")
    for number, zone in enumerate([ZONE, "us-west4-b"]):
        folder = storage.join(gcs_folder, f"jobs/{KEY}{number}/1")
        order = Order([], [], {}, {}, "tests", None, 24, 1, 4.0, f"study, seed={number}")
        assert attempt.write_order(folder, order)
        attempt.write_status(folder, Status("running", 1800, None, {"epoch": 3, "epochs": 20}, 1))
        labels = {JOB_LABEL: f"{KEY}{number}", SWEEP_LABEL: f"sweep{number}"}
        metadata = {"startup-script": SCRIPT.format(folder=folder), FOLDER: folder}
        queue.create(Slice("v5litepod-8", "v2-alpha-tpuv5-lite"), zone, f"glr-{KEY}{number}-1", labels, metadata)
    with connect(tpu.address) as client:
        client.create_queued_resource(asked(name="somebody-elses"))
    names = [f"projects/tests/locations/{zone}/queuedResources" for zone in (ZONE, "us-west4-b")]
    until(lambda: len(tpu.running()) == 3)
    tpu.preempt(f"{names[1]}/glr-{KEY}1-1", abrupt=True)
    until(lambda: tpu.queue.get(f"{names[1]}/glr-{KEY}1-1").state.name == "SUSPENDED")
    return [f"glr-{KEY}{number}-1" for number in range(2)]


def test_a_list_says_where_each_slice_stands_and_which_nobody_uses(slices: list[str], tpu: TpuService, tmp_path: Path):
    tpu.faults.append(Busy("ListQueuedResources", StatusCode.UNAVAILABLE, "no route"))
    waiting, _, printed = here("fleet", *LINE, cwd=tmp_path).partition("\n")
    assert waiting == "waiting: Cloud TPU does not answer (503 no route)"
    head, working, taken, _, advice = printed.splitlines()
    assert head.split() == ["slice", "zone", "kind", "state", "age", "USD", "sweep", "job"]
    assert working.startswith(f"{slices[0]}  us-west4-a  v5litepod-8  ACTIVE, running 3/20")
    assert working.endswith("2.00  sweep0  study, seed=0")
    assert taken.startswith(f"{slices[1]}  us-west4-b  v5litepod-8  SUSPENDED, orphan")
    assert advice == "1 orphan; python -m glr.fleet action=clean deletes them"


def test_a_slice_whose_bucket_cannot_be_read_hides_no_other(slices: list[str], gcs: Gcs, tmp_path: Path):
    gcs.fault(Fault("GET", f"jobs%2F{KEY}0", 403, times=99))
    head, unread, *_ = here("fleet", *LINE, cwd=tmp_path).splitlines()
    assert head.startswith("slice ")
    assert unread.startswith(f"{slices[0]}  us-west4-a  v5litepod-8  ACTIVE  ")


def test_clean_deletes_what_nobody_uses(slices: list[str], tpu: TpuService, tmp_path: Path):
    assert here("fleet", *LINE, "action=clean", cwd=tmp_path) == "1 slice deleted, 1 left\n"
    names = sorted(name.rpartition("/")[2] for name in tpu.queue.resources)
    assert names == [slices[0], "somebody-elses"]


def test_stop_lets_jobs_save_first(slices: list[str], tpu: TpuService, gcs_folder: str, tmp_path: Path):
    printed = here("fleet", *LINE, "action=stop", "sweep_key=sweep0", cwd=tmp_path)
    assert printed == "1 job asked to save\n1 slice deleted, 0 left\n"
    assert attempt.read_status(f"{gcs_folder}/jobs/{KEY}0/1").code == 75
    names = sorted(name.rpartition("/")[2] for name in tpu.queue.resources)
    assert names == [slices[1], "somebody-elses"]


def test_stop_waits_for_a_bucket_that_cannot_be_reached(
    slices: list[str],  # noqa: ARG001
    gcs: Gcs,
    gcs_folder: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr("glr.storage.bucket._PATIENCE", 0.1)
    monkeypatch.setattr("glr.fleet._PERIOD", 0.2)
    gcs.fault(Fault("GET", "status.json", 503, times=5))  # more than the client itself tries in 0.1 s
    printed = here("fleet", *LINE, "action=stop", "sweep_key=sweep0", cwd=tmp_path)
    assert printed.startswith("waiting: ")
    assert printed.endswith("\n1 job asked to save\n1 slice deleted, 0 left\n")
    assert attempt.read_status(f"{gcs_folder}/jobs/{KEY}0/1").code == 75


def test_a_job_that_does_not_save_in_time_is_named(slices: list[str], tpu: TpuService, tmp_path: Path):
    with tpu.queue.lock:
        tpu.queue.machines[0].cut_power()
    printed = here("fleet", *LINE, "action=stop", "minutes=0.02", cwd=tmp_path)
    assert f"{slices[0]} did not save within 0.02 minutes\n2 slices deleted, 0 left\n" in printed
    assert list(tpu.queue.resources) == [f"projects/tests/locations/{ZONE}/queuedResources/somebody-elses"]


def test_an_empty_project(tpu: TpuService, tmp_path: Path):
    assert here("fleet", *LINE, cwd=tmp_path) == "no slice of glr in these zones\n"
    assert here("fleet", *LINE, "action=clean", cwd=tmp_path) == "0 slices deleted, 0 left\n"
    assert "this account may not use Cloud TPU" in here("fleet", "project=another", f"zones=[{ZONE}]", cwd=tmp_path)
    assert [request.method for request in tpu.log].count("DeleteQueuedResource") == 0

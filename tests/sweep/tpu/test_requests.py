"""Two commands that run the same job at once, with the loopback Cloud TPU: they rent one slice."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from glr.sweep.job import Job
from glr.sweep.tpu import attempt
from tests.sweep.conftest import until
from tests.sweep.tpu.test_attempt import order
from tests.sweep.tpu.test_vm import fleet
from tests.tpu.resources import Trouble
from tests.tpu.service import TpuService

JOB = f"jobs/{1:016x}"


@pytest.fixture
def command(gcs_folder: str, tmp_path: Path) -> Iterator[Callable[[], tuple]]:
    """Start a command that runs the job; returns the job's process there, and its log."""
    with ExitStack() as open_fleets:
        count = iter(range(9))

        def start() -> tuple:
            job = Job(1, [], "sent", tmp_path / f"command{next(count)}", price=3.6)
            made = open_fleets.enter_context(fleet(gcs_folder, [job]))
            return (lambda: made.start(job, 0)), job.log

        yield start


def requests(tpu: TpuService, method: str = "CreateQueuedResource") -> int:
    return [request.method for request in tpu.log].count(method)


@pytest.mark.parametrize("answer", [0.0, 0.3])
def test_two_commands_at_once_request_one_slice_and_both_follow_it(
    tpu: TpuService, command: Callable[[], tuple], answer: float
):
    tpu.queue.latencies = type(tpu.queue.latencies)(answer=answer)
    tpu.queue.troubles.append(Trouble("stockout", "us-west4-a"))
    commands = [command() for _ in range(2)]  # both have looked for slices at work, and found none
    machines = [start() for start, _ in commands]
    until(lambda: all(machine.poll() is not None for machine in machines))
    assert [machine.poll() for machine in machines] == [0, 0]
    assert [log.read_text() for _, log in commands] == ["sent GREETING=\n"] * 2
    assert (requests(tpu), len(tpu.queue.machines)) == (2, 1)  # the first zone had no room


def test_a_command_that_was_killed_before_its_request_is_overtaken(
    tpu: TpuService, command: Callable[[], tuple], gcs_folder: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("glr.sweep.tpu.requests._OTHERS", 1.0)
    assert attempt.write_order(f"{gcs_folder}/{JOB}/1", order())
    start, _ = command()
    machine = start()
    until(lambda: machine.progress()["stage"] == "another command asks")
    until(lambda: machine.poll() is not None)
    assert (machine.poll(), requests(tpu)) == (0, 1)
    assert not attempt.is_unanswered(f"{gcs_folder}/{JOB}")


def test_a_command_that_is_overtaken_while_it_asks_gives_its_slice_back(
    tpu: TpuService, command: Callable[[], tuple], gcs_folder: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("glr.sweep.tpu.requests._OTHERS", 0.5)
    start, _ = command()
    tpu.queue.latencies = type(tpu.queue.latencies)(answer=1.5)
    listed = requests(tpu, "ListNodes")
    machine = start()
    until(lambda: requests(tpu, "ListNodes") == listed + 2)  # it has looked in both zones, and requests a slice
    assert attempt.write_order(f"{gcs_folder}/{JOB}/2", order())  # another command, which has waited for too long
    tpu.queue.latencies = type(tpu.queue.latencies)()
    until(lambda: machine.poll() is not None)
    assert machine.poll() == 0
    assert [one.folder.name.rpartition("-")[2] for one in tpu.queue.machines][-1] == "3"
    assert attempt.read_status(f"{gcs_folder}/{JOB}/3").code == 0

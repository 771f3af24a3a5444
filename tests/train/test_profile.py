"""A trace of the wanted steps is stored with the run, in the layout that TensorBoard reads."""

from pathlib import Path

import pytest
import tensorflow as tf
from tensorflow.tsl.profiler.protobuf import xplane_pb2

from glr.errors import GlrError
from glr.tracking.recorder import Unrecorded
from glr.train.profile import Profile


class Stored(Unrecorded):
    def __init__(self):
        self.files: dict[str, bytes] = {}

    def file(self, path: Path, folder: str | None = None) -> None:
        self.files[f"{folder}/{path.name}"] = path.read_bytes()


@tf.function
def compute(number: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(tf.ones((50, 50)) @ tf.ones((50, 50))) + number


def steps(profile: Profile, count: int, waits: list[int]) -> None:
    for step in range(count):
        with tf.profiler.experimental.Trace("train", step_num=1000 + step, _r=1):
            compute(tf.constant(float(step)))
        profile.step(step + 1, lambda step=step: waits.append(step + 1))


def step_numbers(trace: bytes) -> list[int]:
    space = xplane_pb2.XSpace.FromString(trace)
    return sorted(
        stat.int64_value
        for plane in space.planes
        for line in plane.lines
        for event in line.events
        for stat in event.stats
        if plane.event_metadata[event.metadata_id].name == "train"
        and plane.stat_metadata[stat.metadata_id].name == "step_num"
    )


def test_the_first_two_calls_are_not_traced_and_the_wanted_steps_are(tmp_path: Path):
    run, waits = Stored(), []
    with Profile(3, 9, 1, run, tmp_path / "trace") as profile:
        steps(profile, 9, waits)
    assert waits == [2, 5]  # the trace holds the steps after 2, up to 5
    (name,) = run.files
    assert name.startswith("profile/plugins/profile/")
    assert name.endswith(".xplane.pb")
    assert step_numbers(run.files[name]) == [1002, 1003, 1004]
    assert list((tmp_path / "trace").iterdir()) == []


def test_an_interrupted_trace_is_dropped_so_that_the_next_can_begin(tmp_path: Path):
    run = Stored()
    with Profile(5, 9, 1, run, tmp_path / "trace") as profile:
        steps(profile, 3, [])
    assert run.files == {}
    with Profile(1, 9, 1, run, tmp_path / "again") as profile:
        steps(profile, 4, [])
    assert len(run.files) == 1


def test_without_steps_nothing_happens(tmp_path: Path):
    run, waits = Stored(), []
    with Profile(None, 1, 1, run, tmp_path / "trace") as profile:
        steps(profile, 5, waits)
    assert (run.files, waits) == ({}, [])


def test_too_few_steps_are_refused(tmp_path: Path):
    Profile(4, 10, 3, Stored(), tmp_path)
    with pytest.raises(GlrError, match=r"^debug\.profile=5: the first 6 steps are not traced, and 10 are to be made"):
        Profile(5, 10, 3, Stored(), tmp_path)

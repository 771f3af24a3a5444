"""A sweep's jobs as lines of text, in real processes."""

from collections.abc import Callable

import pytest

from glr.config.identity import Identity
from glr.sweep.job import Job, JobState
from glr.sweep.pool import JobLimits
from glr.sweep.process import local
from glr.sweep.sweep import run
from tests.sweep.conftest import command


def test_a_job_of_an_earlier_batch_lends_its_score_to_its_double(
    jobs: Callable[..., list[Job]], capsys: pytest.CaptureFixture
):
    first, failing, double, other = batch = jobs("finish", "raise", "finish", "finish")
    for job, key in ((first, 1), (failing, 2), (double, 1), (other, 3)):
        job.identity = Identity({"seed": key}, "abc")
    double.state = other.state = JobState.SKIPPED
    other.score, other.scores = 0.75, {"public/gap": 0.75}
    assert run(batch, local(command), JobLimits(1, None, 0, 0.0), 4) is None
    assert [job.score for job in batch] == [0.5, None, 0.5, 0.75]
    assert (double.scores, other.scores) == (first.scores, {"public/gap": 0.75})
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if "begins" in line] == ["finish begins", "raise begins"]  # one at a time: followed
    assert any(line.startswith("job 2 of 4 failed after ") for line in lines)

"""Estimates of the jobs' times by a process of its own."""

import json
import sys
from pathlib import Path

from glr.sweep.job import Job, JobState
from glr.sweep.tpu.estimates import Estimates
from tests.sweep.conftest import runs, until


def test_jobs_that_differ_in_their_seed_share_an_estimate(tmp_path: Path):
    lines = [["head=a", "seed=1"], ["head=a", "seed=2"], ["head=b", "seed=1"], ["head=c"]]
    jobs = [Job(n, line, "", tmp_path) for n, line in enumerate(lines, start=1)]
    jobs[3].state = JobState.SKIPPED
    asked = list[int]()
    rows = {"head=a": (2.0, 0.1, None), "head=b": (2.0, 0.1, 0.15)}  # hours, seconds of a step, cautious ones

    def command(job: Job, output: Path) -> list[str]:
        asked.append(job.number)
        row = dict(zip(("run_hours", "step_seconds", "cautious_seconds"), rows[job.overrides[0]], strict=True))
        code = f"import pathlib; pathlib.Path({str(output)!r}).write_text({json.dumps([row])!r})"
        return [sys.executable, "-I", "-S", "-c", code]

    estimates = Estimates(jobs, command, tmp_path)
    until(lambda: jobs[2].estimate is not None)
    estimates.close()
    assert [job.estimate for job in jobs] == [7200.0, 7200.0, 10800.0, None]
    assert asked == [1, 3]


def test_without_the_compiler_there_is_none_and_a_sweep_that_ends_waits_for_none(tmp_path: Path):
    jobs = [Job(n, [f"head={n}"], "", tmp_path) for n in (1, 2)]
    asked = list[int]()

    def fails(job: Job, output: Path) -> list[str]:  # noqa: ARG001
        asked.append(job.number)
        return ["false"]

    estimates = Estimates(jobs, fails, tmp_path)
    estimates._thread.join(20)
    estimates.close()
    assert (asked, [job.estimate for job in jobs]) == ([1], [None, None])
    pid = tmp_path / "pid"
    line = ["sh", "-c", f"echo $$ > {pid}; sleep 60"]
    estimates = Estimates(jobs, lambda job, output: line, tmp_path)  # noqa: ARG005
    until(lambda: pid.exists() and pid.read_text())
    estimates.close()
    assert not runs(int(pid.read_text()))

"""The outcome of a sweep's jobs."""

from pathlib import Path

from hydra.core.utils import JobReturn, JobStatus

from glr.sweep.job import Job, JobState
from glr.sweep.outcome import metrics, settle, table


def job(number: int, state: JobState, score: float | None = None, **known) -> Job:
    return Job(number, [], f"seed={number}", Path("x"), state=state, score=score, **known)


def test_numbers_and_best_score():
    jobs = [job(1, JobState.FINISHED, 0.25), job(2, JobState.SKIPPED, 0.5), job(3, JobState.FAILED, 0.75)]
    jobs += [job(4, JobState.OVERDUE), job(5, JobState.STOPPED, 0.875), job(6, JobState.LEFT)]
    assert metrics(jobs) == {"jobs_finished": 2, "jobs_failed": 3, "best_score": 0.5}
    assert metrics(jobs[2:]) == {"jobs_finished": 0, "jobs_failed": 3}


def test_the_table_has_a_row_for_each_job():
    jobs = [job(1, JobState.FINISHED, 0.25, seconds=90.0), job(2, JobState.FAILED, 0.5, reason='no "room", again')]
    assert table(jobs).splitlines() == [
        "job,settings,state,score,minutes,reason",
        "1,seed=1,finished,0.25000,1.5,",
        '2,seed=2,failed,,0.0,"no ""room"", again"',
    ]
    several = job(1, JobState.FINISHED, 0.25, scores={"public/gap": 0.25, "private/gap": 0.125})
    assert table([several]).splitlines()[1] == "1,seed=1,finished,0.25000,0.25000,0.12500,0.0,"


def test_another_launchers_result_becomes_a_state():
    finished, failed = job(1, JobState.WAITING), job(2, JobState.WAITING)
    result = JobReturn(status=JobStatus.COMPLETED)
    result.return_value = 0.5
    settle(finished, result)
    error = JobReturn(status=JobStatus.FAILED)
    error.return_value = ValueError("of http://bob:S3cret@h")
    settle(failed, error)
    assert (finished.state, finished.score) == (JobState.FINISHED, 0.5)
    assert (failed.state, failed.reason) == (JobState.FAILED, "ValueError: of http://***@h")

"""A sweep's end as text."""

from glr.sweep.job import JobState
from glr.sweep.summary import left, summary
from tests.sweep.conftest import job


def test_the_summary_is_ranked_and_explains():
    jobs = [
        job(1, JobState.FINISHED, score=0.25),
        job(2, JobState.FAILED, score=0.9, reason="ValueError: no"),  # its last score is no result
        job(3, JobState.SKIPPED, score=0.5),
        job(4, JobState.OVERDUE, reason="exceeded sweep.minutes=3"),
        job(5, JobState.LEFT),
        job(6),
        job(7, JobState.FINISHED),
    ]
    assert summary(jobs).splitlines() == [
        "job    score  state          settings",
        "  3  0.50000  skipped        seed=3",
        "  1  0.25000  finished       seed=1",
        "  7           finished       seed=7",
        "  2           failed         seed=2",
        "  4           time limit     seed=4",
        "  5           failed before  seed=5",
        "  6           waiting        seed=6",
        "",
        "job 2 failed: ValueError: no",
        "job 4 failed: exceeded sweep.minutes=3",
        "job 5 failed: no reason is recorded",
    ]
    assert left(jobs, 9, anew=False) == "6 of 9 jobs ended; the same command continues"
    assert left(jobs, None, anew=False) == "6 jobs ended; the same command continues"
    assert "the same command with sweep.rerun=failed continues" in left(jobs, 9, anew=True)


def test_jobs_with_several_scores_have_a_column_for_each():
    jobs = [
        job(1, JobState.FINISHED, score=0.25, scores={"public/gap": 0.25, "private/gap": 0.5}),
        job(2, JobState.FAILED, score=0.9, scores={"public/gap": 0.9}, reason="no"),
        job(3, JobState.FINISHED, score=0.5, scores={"public/gap": 0.5, "easy/map": 1}),
    ]
    assert summary(jobs).splitlines()[:4] == [
        "job  Public GAP  Private GAP  Easy mAP  state     settings",
        "  3     0.50000                1.00000  finished  seed=3",
        "  1     0.25000      0.50000            finished  seed=1",
        "  2                                     failed    seed=2",
    ]
    unnamed = job(4, JobState.FINISHED, score=0.75)
    assert summary([*jobs, unnamed]).splitlines()[:2] == [
        "job    score  state     settings",
        "  4  0.75000  finished  seed=4",
    ]

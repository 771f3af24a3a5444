"""A job of a sweep is named by the settings that distinguish it from the others."""

from glr.sweep.job import differing


def test_a_job_is_named_by_what_the_others_do_not_have():
    jobs = [["sweep.name=x", "head=a", "seed=1", "hydra.run.dir=x"], ["sweep.name=x", "head=b", "seed=1"]]
    assert differing(jobs) == ["head=a", "head=b"]
    assert differing(jobs[:1]) == ["head=a seed=1"]
    assert differing([["sweep.jobs=2"]]) == ["(no overrides)"]

"""The jobs that a command line describes."""

import pytest
from hydra import compose, initialize_config_dir

from glr.config.grammar import as_typed, in_grammar
from glr.config.installation import CONF
from glr.config.jobs import differing, job_in_words, jobs_of, jobs_of_line, launchable, settings_of_job
from glr.errors import GlrError


def test_a_single_job_is_no_sweep():
    assert jobs_of_line("train", ["seed=3"], multirun=False) == (["seed=3"], None)
    with pytest.raises(GlrError, match="seed=3,4: several values make a sweep; add -m"):
        jobs_of_line("train", ["seed=3,4"], multirun=False)


def test_a_sweep_is_every_combination_in_order():
    overrides, jobs = jobs_of_line("train", ["seed=range(2)", "name=x", "head=arcface,cosface"], multirun=True)
    assert overrides == ["seed=range(2)", "name=x", "head=arcface,cosface"]
    assert jobs == [[f"seed={seed}", "name=x", f"head={head}"] for seed in range(2) for head in ("arcface", "cosface")]
    assert jobs_of_line("train", ["seed=3"], multirun=True) == (["seed=3"], [["seed=3"]])
    assert jobs_of_line("train", ["hydra.mode=MULTIRUN"], multirun=False)[1] == [["hydra.mode=MULTIRUN"]]


def test_the_sweepers_own_values_are_swept_unless_given():
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("train", return_hydra_config=True)
    config.hydra.sweeper.params = {"seed": "1,2", "name": "a,b"}
    config.hydra.overrides.task = ["name=c"]
    assert jobs_of(config) == [["seed=1", "name=c"], ["seed=2", "name=c"]]


@pytest.mark.parametrize("given", ["hydra.sweeper.params={seed:'1,2',name:b}", "+hydra.sweeper.params.seed='1,2'"])
def test_the_sweepers_values_may_be_given_on_the_command_line(given: str):
    overrides, jobs = jobs_of_line("train", [given, "name=c"], multirun=True)
    assert overrides[0] == "seed=1,2"
    assert [[job[0], job[-1]] for job in jobs or []] == [["seed=1", "name=c"], ["seed=2", "name=c"]]


def test_a_search_space_is_searched():
    space = "hydra.sweeper.search_space={head.margin:{type:float,low:0.1,high:0.5},seed:{type:int,low:1,high:9}}"
    line = ["hydra/sweeper=optuna", space, "head=arcface", "seed=7"]
    overrides, jobs = jobs_of_line("train", line, multirun=True)
    assert overrides[0] == "head.margin=interval(0.1,0.5)"
    assert [job[-2:] for job in jobs or []] == [["seed=7", f"head.margin={margin}"] for margin in (0.1, 0.5)]


def test_a_search_is_sampled_so_that_each_of_its_values_shows():
    line = ["hydra/sweeper=optuna", "head=arcface,cosface", "head.margin=interval(0.1,0.5)", "seed=7"]
    _, jobs = jobs_of_line("train", line, multirun=True)
    assert jobs == [
        ["hydra/sweeper=optuna", "seed=7", f"head={head}", f"head.margin={margin}"]
        for head in ("arcface", "cosface")
        for margin in (0.1, 0.5)
    ]


def test_the_sweep_that_hydra_launches_has_the_jobs_of_the_command_line():
    line = ["head=arcface,cosface", "head.margin=0.3", "head.scale=null", "seed=1,2"]
    _, jobs = jobs_of_line("train", line, multirun=True)
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("train", return_hydra_config=True)
        config.hydra.overrides.task = launchable(line)
        launched = jobs_of(config)
        first = settings_of_job(config, jobs_of(config)[0])
    assert jobs is not None
    assert [[text.removeprefix("++") for text in job] for job in launched] == jobs
    assert (first.head._target_.split(".")[-1], first.head.margin, first.head.scale, first.seed) == (
        "ArcFace", 0.3, None, 1,
    )  # fmt: skip


@pytest.mark.parametrize("text", ["photos", "my photos (1)", "Bücher", "Übung (2)", "it's", "2024"])
def test_a_text_stays_the_same_beside_a_swept_choice(text: str):
    line = as_typed(["head=arcface,cosface", f"data.source.path={in_grammar(text)}", "data=folder"])
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("train", return_hydra_config=True)
        config.hydra.overrides.task = launchable(line)
        assert settings_of_job(config, jobs_of(config)[0]).data.source.path == text


def test_the_first_of_the_experiments_that_are_swept_names_the_study():
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("train", return_hydra_config=True)
    assert settings_of_job(config, jobs_of(config)[0]).study == "demo"
    experiments = "experiment=published/01_inception_v3,published/12_xception_arcface"
    config.hydra.overrides.task = launchable([experiments])
    assert settings_of_job(config, jobs_of(config)[0]).study == "reproduction"


def test_a_job_is_named_by_what_the_others_do_not_have():
    jobs = [["sweep.name=x", "head=a", "seed=1", "hydra.run.dir=x"], ["sweep.name=x", "head=b", "seed=1"]]
    assert differing(jobs) == ["head=a", "head=b"]
    assert differing(jobs[:1]) == ["head=a seed=1"]
    assert differing([["sweep.jobs=2"]]) == ["(no overrides)"]
    assert job_in_words(2, jobs) == "job 2 of 2 (head=b)"

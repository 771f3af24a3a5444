"""Names of runs, sweeps and evaluations."""

import json

import pytest

from glr.config.check import composed
from glr.config.identity import Identity, settings_of
from glr.config.run_names import VARYING_VARIABLE, run_name, sweep_name, varying

BASE = ["backbone=small_cnn", "head=arcface"]


def name_in(jobs: list[list[str]], number: int, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a job in the sweep of these jobs."""
    config, choices = composed("train", jobs[number])
    monkeypatch.setenv(VARYING_VARIABLE, json.dumps(varying(jobs, config)))
    return run_name(config, choices, jobs[number])


@pytest.mark.parametrize(
    ("jobs", "names"),
    [
        ([["head=arcface", "seed=1"]], ["densenet201-arcface"]),  # a sweep of one
        (
            [[f"head={head}", f"seed={seed}", "train.epochs=2"] for head in ("arcface", "cosface") for seed in (1, 2)],
            ["arcface seed=1", "arcface seed=2", "cosface seed=1", "cosface seed=2"],
        ),
        # evaluate.batch_size exists, too; only the head has a margin
        (
            [["head=arcface", f"train.batch_size={size}", f"head.margin={size / 100}"] for size in (16, 32)],
            ["train.batch_size=16 margin=0.16", "train.batch_size=32 margin=0.32"],
        ),
        ([["seed=1", "head=arcface", "seed=2"], ["seed=1", "head=cosface", "seed=2"]], ["arcface", "cosface"]),
        ([["augment=none"], ["augment=study"]], ["augment=none", "study"]),
        ([["study=a", "seed=1"], ["study=b", "seed=2"]], ["seed=1", "seed=2"]),
        ([["study=a"], ["study=b"]], ["densenet201-adacos_semi", "densenet201-adacos_semi"]),
        ([["name=mine", "seed=1"], ["name=mine", "seed=2"]], ["mine", "mine"]),
        ([["data.label='a b'", "debug.steps=2"], ["data.label=c", "debug.steps=2"]], ["data.label=a b-debug-settings"]),
        ([["optimizer.learning_rate=0.00012345678"], ["optimizer.learning_rate=1"]], ["learning_rate=0.000123457"]),
    ],
)
def test_a_job_of_a_sweep_is_named_by_what_distinguishes_it(jobs, names, monkeypatch: pytest.MonkeyPatch):
    assert [name_in(jobs, number, monkeypatch) for number in range(len(names))] == names


def test_a_name_shows_no_secret(monkeypatch: pytest.MonkeyPatch):
    jobs = [["head.label='http://bob:S3cret@h'"], ["head.label=b"]]
    assert name_in(jobs, 0, monkeypatch) == "head.label=http://***@h"


def test_the_key_does_not_depend_on_the_sweep(monkeypatch: pytest.MonkeyPatch):
    config, choices = composed("train", BASE)
    alone, key = run_name(config, choices, BASE), Identity(settings_of(config), "").key
    assert name_in([BASE, ["backbone=small_cnn", "head=cosface"]], 0, monkeypatch) == "arcface" != alone
    assert Identity(settings_of(composed("train", BASE)[0]), "").key == key


@pytest.mark.parametrize(
    ("different", "given", "name"),
    [
        ({"head": "head", "seed": "seed"}, None, "head x seed: 4 runs"),
        ({"head": "head", "head.margin": "margin"}, "heads", "heads: head x margin, 4 runs"),
        ({}, None, "sweep: head=arcface seed=1"),
        ({}, "heads", "sweep: heads"),
    ],
)
def test_a_sweep_is_named_by_its_question(different: dict[str, str], given: str | None, name: str):
    assert sweep_name(["head=arcface", "seed=1"], different, "4 runs", given) == name

"""Every job of a command line is checked; its first mistake is one sentence."""

from collections import Counter

import pytest
from omegaconf import DictConfig

from glr.config import check, component
from glr.config.check import check_command_line, composed
from glr.errors import GlrError


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("head=arcface head.margin=abc", "head.margin=abc: expected a number"),
        ("+head.foo=1", "head.foo is not a setting"),
        ("head._target_=os.system", "head._target_=os.system: expected a class of glr, Keras or your own"),
        ("head._target_=glr.model.head.arcface.Arc", "expected one of glr.model.head.adacos.AdaCosDynamic,"),
        ("head._target_=glr.model.head.adacos.AdaCos", "head._target_=glr.model.head.adacos.AdaCos: expected one of"),
        ("train.epochs=0", "train.epochs=0: expected at least 1"),
        ("strategy=cpu strategy.replicas=0", "strategy.replicas=0: expected at least 1"),
        ("train.epoch=3", "train.epoch is not a setting; did you mean train.epochs?"),
        ("backbone=xcepton", "backbone=xcepton: there is no such choice; did you mean backbone=xception?"),
        ("headd=arcface", "headd is not a setting; did you mean head?"),
        ("data.normalization=zero", "expected one of zero_one, minus_one_one, imagenet"),
        ("optimizer.clipnorm=abc", "optimizer.clipnorm=abc: expected a number or null"),
        ("optimizer.beta1=0.8", "did you mean optimizer.beta_1"),
        ("regularization=l2 regularization.scope=everywhere", "expected head or all"),
        ("pooling=avg pooling.keepdims=1", "pooling.keepdims=1: expected true or false"),
        ("data.path=???", "data.path: a value is needed; give it as data.path=VALUE"),
        ("head=arcface,cosface", "several values make a sweep; add -m"),
        ("train.epochs", "a setting is given as key=value"),
        ("head.margin=interval(0.1,0.5) -m", "only a search accepts a range; add hydra/sweeper=optuna"),
        ("hydra/sweeper=optuna head=arcface head.mragin=interval(0,1) -m", "did you mean head.margin"),
        ("hydra/sweeper=optuna head=arcface,norm_softmax head.margin=interval(0,1) -m", "is a setting of head=arcface"),
        ("hydra/sweeper=optuna train.epochs=int(interval(0,9)) -m", "train.epochs=0: expected at least 1"),
        ("hydra/sweeper=optuna head.margin=interval(1,0) -m", "a range goes from a lower to a higher number"),
        ("hydra/sweeper=optuna hydra.sweeper.n_trials=0 seed=range(9) -m", "n_trials=0: expected at least 1"),
        ("hydra/sweeper=optuna hydra.sweeper.pruner=x seed=range(9) -m", "expected one of median, hyperband, none"),
        ("hydra/sweeper=optuna seed=3 -m", "nothing is searched"),
    ],
)
def test_mistake_is_one_sentence(line: str, sentence: str):
    overrides = line.split()
    with pytest.raises(GlrError) as raised:
        check_command_line("train", [text for text in overrides if text != "-m"], multirun="-m" in overrides)
    assert sentence in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("command", "line", "sentence"),
    [
        ("train", "data.validation_share=0.6", "data.validation_share=0.6: expected 0 to 0.5"),
        ("train", "data.validation_share=-0.1", "data.validation_share=-0.1: expected 0 to 0.5"),
        ("preflight", "preflight.classes=1", "preflight.classes=1: expected at least 2"),
        ("preflight", "seed=-1", "seed=-1: expected at least 0"),
        ("evaluate", "strategy=cpu strategy.replicas=0", "strategy.replicas=0: expected at least 1"),
        ("train", "index=0", "index=0: expected at least 1"),
    ],
)
def test_a_number_out_of_its_bounds_is_refused(command: str, line: str, sentence: str):
    with pytest.raises(GlrError) as raised:
        check_command_line(command, line.split(), multirun=False)
    assert str(raised.value) == sentence


def test_the_same_key_may_be_a_folder_in_another_command():
    check_command_line("evaluate", ["index=0"], multirun=False)


def test_a_missing_value_may_be_left_to_be_given():
    line = ["data.path=???"]
    with pytest.raises(GlrError, match=r"^data\.path: a value is needed; give it as data\.path=VALUE$"):
        check_command_line("train", line, multirun=False)
    assert check_command_line("train", line, multirun=False, required=False) == (line, None)


def test_a_config_comes_with_the_choices_of_its_groups():
    config, choices = composed("train", ["head=arcface", "head.margin=0.25"])
    assert (config.head.margin, choices["head"], choices["backbone"]) == (0.25, "arcface", "densenet201")
    assert "hydra" not in config


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["init_from.run=a", "init_from.file=b"], "init_from: give run=a or file=b, not both"),
        (["data.sampler=classes"], "data.sampler=classes: give data.images_per_class, the images of each class"),
        (["data.images_per_class=4"], "data.images_per_class=4 does nothing without data.sampler=classes; give both"),
        (
            ["data.sampler=classes", "data.images_per_class=3"],
            "train.batch_size=16: expected a multiple of data.images_per_class=3 with at least 2 classes",
        ),
        (
            ["data.sampler=classes", "data.images_per_class=16"],
            "train.batch_size=16: expected a multiple of data.images_per_class=16 with at least 2 classes",
        ),
        (["init_from.run=a", "init_from.parts=[]"], "init_from.parts: name at least one of backbone, pooling, "),
        (
            ["init_from.parts=[backbone]"],
            "init_from.parts: no weights are named to take parts from; give init_from.run",
        ),
        (["init_from=a"], "init_from: a YAML file gives it as a mapping: {run: NAME} or {file: PATH}"),
    ],
)
def test_initial_weights_that_cannot_be_meant(overrides: list[str], sentence: str):
    with pytest.raises(GlrError) as refused:
        composed("train", overrides)
    assert str(refused.value).startswith(sentence)


def test_what_jobs_share_is_checked_once(monkeypatch: pytest.MonkeyPatch):
    checked: list[str] = []
    right = component.check

    def noted(key: str, node: DictConfig, runtime: set[str]) -> None:
        checked.append(key)
        right(key, node, runtime)

    monkeypatch.setattr(component, "check", noted)
    monkeypatch.setattr(check, "_passed", set())
    check_command_line("train", ["head=arcface", "head.margin=0.1,0.2", "seed=1,2"], True)
    assert Counter(checked)["head"] == 2
    assert Counter(checked)["backbone"] == 1
    for mistake in ("head.margin=0.1,true", "head.margin=0.2,wide", "seed=1,-1", "seed=${train.epochs},${nope}"):
        with pytest.raises(GlrError, match=f"^job 2 of 2 .*: {mistake.split('=')[0]}="):
            check_command_line("train", ["head=arcface", mistake], True)

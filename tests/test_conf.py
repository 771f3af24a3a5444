"""Every choice of every group composes and builds, and its YAML and its class name the same arguments."""

import importlib
import inspect
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from glr.config import component
from glr.config.check import check
from glr.config.composition import composition
from glr.config.schema import RUNTIME_ARGUMENTS
from glr.config.shorthand import CONF

EVALUATION = ["database_augmentation", "query_expansion", "reranking", "tta", "whitening"]
GROUPS = ["augment", "backbone", "data", "head", "optimizer", "pooling", "regularization", "schedule", "strategy"]
GROUPS += EVALUATION
COMPONENTS = [p for group in GROUPS for p in sorted((CONF / group).glob("*.yaml"))]
ALL = sorted(p for p in CONF.glob("*/*.yaml") if p.parent.name not in {"experiment", "preflight", "preset"})
# Arguments of Keras's constructors that are no hyperparameters.
NOT_LISTED = {"name", "data_format", "kwargs"}
RUNTIME = {"num_classes": 7, "image_size": 80, "steps_per_epoch": 5, "total_steps": 20}


def identity(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def job(path: Path):
    group = path.parent.name
    overrides = [f"{group}={path.stem}"]
    overrides += ["tracking.uri=http://localhost:1"] if path.stem == "server" else []
    return composition("evaluate" if group in EVALUATION else "train", tuple(overrides))


@pytest.mark.parametrize("path", ALL, ids=identity)
def test_composes_and_checks(path: Path):
    composed = job(path)
    check(composed.settings, composed.choices)


@pytest.mark.parametrize("path", COMPONENTS, ids=identity)
def test_yaml_and_constructor_name_the_same_arguments(path: Path):
    config: Any = OmegaConf.load(path)
    config = config.source if path.parent.name == "data" else config
    module, _, name = config["_target_"].rpartition(".")
    parameters = inspect.signature(getattr(importlib.import_module(module), name)).parameters
    listed = set(config) - component.NOT_ARGUMENTS
    taken = set(parameters) - RUNTIME_ARGUMENTS.get(path.parent.name, set()) - NOT_LISTED
    assert listed == taken
    if component.signature(config["_target_"]) is not None:
        assert set(component.signature(config["_target_"])) == set(parameters)
        assert all(p.default is inspect.Parameter.empty for p in parameters.values())  # no default hides in the code


@pytest.mark.parametrize("path", [p for p in ALL if p.parent.name not in {"data", "tracking"}], ids=identity)
def test_carries_the_label_that_tables_print(path: Path):
    config = job(path).settings
    assert "label" in config[path.parent.name]


@pytest.mark.parametrize(
    "path", [p for p in COMPONENTS if p.parent.name not in {"backbone", "data", "strategy"}], ids=identity
)
def test_builds(path: Path):
    group = path.parent.name
    config = job(path).settings[group]
    runtime = RUNTIME | ({"learning_rate": 0.1} if group == "optimizer" else {})
    built = component.build(config, **runtime)
    for key in set(config) - component.NOT_ARGUMENTS - {"peak", "learning_rate", "epochs"}:
        if hasattr(built, key) and isinstance(config[key], int | float):
            assert getattr(built, key) == pytest.approx(config[key])


@pytest.mark.parametrize(
    ("overrides", "label"),
    [
        (["head=adacos_fixed"], "AdaCos(Fixed)"),
        (["head=adacos_semi"], "AdaCos(Semi)"),
        (["head=arcface"], "ArcFace(s=C-1, m=0.5)"),
        (["head=arcface", "head.scale=30", "head.margin=0.3"], "ArcFace(s=30, m=0.3)"),
        (["schedule=ramp", "optimizer.learning_rate=4e-4"], "0.00001->0.0004->0.00001"),
        (["schedule=cosine", "optimizer.learning_rate=1e-3"], "CosineDecay(0.001)"),
        (["regularization=l2"], "l2 regularization(weight_decay=0.0005)"),
        (["regularization=none"], None),
        (["pooling=gem"], "GeM"),
    ],
)
def test_labels_are_those_of_the_study(overrides: list[str], label: str | None):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("train", overrides)
    assert config[overrides[0].split("=")[0]].label == label


def test_demo_settings_go_with_the_demo_data_only():
    with initialize_config_dir(str(CONF), version_base="1.3"):
        demo, folder = compose("train"), compose("train", ["data=folder"])
        own = compose("train", ["train.epochs=7"])
    assert (demo.study, demo.backbone.weights, demo.train.batch_size) == ("demo", None, 16)
    assert (folder.study, folder.backbone.weights, folder.train.batch_size) == ("default", "imagenet", 128)
    assert own.train.epochs == 7

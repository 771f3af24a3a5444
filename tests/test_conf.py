"""Every choice of every group composes and builds, and its YAML and its class name the same arguments."""

import importlib
import inspect
import math
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from glr.config import component
from glr.config.check import check
from glr.config.composition import Composition, composition
from glr.config.identity import debugged
from glr.config.installation import CONF
from glr.config.run_names import run_name
from glr.config.schema import RUNTIME_ARGUMENTS
from glr.config.signature import signature

GROUPS = {
    "train": [
        *["augment", "backbone", "data", "head", "optimizer", "pooling", "regularization", "schedule", "strategy"],
        "tracking",
    ],
    "evaluate": ["database_augmentation", "query_expansion", "reranking", "tta", "whitening"],
}
CHOICES = {group: sorted((CONF / group).glob("*.yaml")) for groups in GROUPS.values() for group in groups}
ALL = [path for paths in CHOICES.values() for path in paths]
COMPONENTS = [path for path in ALL if path.parent.name != "tracking"]
# Arguments of Keras's constructors that are no hyperparameters.
NOT_LISTED = {"name", "data_format", "kwargs"}
ONCE = "hydra.job.num"
RUNTIME = {"num_classes": 7, "image_size": 80, "steps_per_epoch": 5, "total_steps": 20}


def identity(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def job(command: str, number: int) -> Composition:
    """A job with choice `number` of each group, counted round and round, so that a few jobs show all."""
    chosen = {group: CHOICES[group][number % len(CHOICES[group])].stem for group in GROUPS[command]}
    uri = ["tracking.uri=http://localhost:1"] if chosen.get("tracking") == "server" else []
    # A setting of Hydra's own: Hydra composes the job once, where glr would assemble it from a job for each choice.
    return composition(command, (*(f"{group}={choice}" for group, choice in chosen.items()), *uri, f"{ONCE}={number}"))


def config_of(path: Path) -> Any:
    """The settings of a choice in a job."""
    group = path.parent.name
    command = next(command for command, groups in GROUPS.items() if group in groups)
    return job(command, CHOICES[group].index(path)).settings[group]


@pytest.mark.parametrize(
    ("command", "number"),
    [(command, n) for command, groups in GROUPS.items() for n in range(max(len(CHOICES[group]) for group in groups))],
)
def test_composes_and_checks(command: str, number: int):
    composed = job(command, number)
    check(composed.settings, composed.choices)


def test_no_group_is_left_out():
    groups = {path.parent.name for path in CONF.glob("*/*.yaml")}
    assert groups - {"debug", "experiment", "preflight", "preset"} == set(CHOICES)


@pytest.mark.parametrize("path", COMPONENTS, ids=identity)
def test_yaml_and_constructor_name_the_same_arguments(path: Path):
    config: Any = OmegaConf.load(path)
    config = config.source if path.parent.name == "data" else config
    module, _, name = config["_target_"].rpartition(".")
    parameters = inspect.signature(getattr(importlib.import_module(module), name)).parameters
    listed = set(config) - component.NOT_ARGUMENTS
    taken = set(parameters) - RUNTIME_ARGUMENTS.get(path.parent.name, set()) - NOT_LISTED
    assert listed == taken
    if signature(config["_target_"]) is not None:
        assert set(signature(config["_target_"])) == set(parameters)
        assert all(p.default is inspect.Parameter.empty for p in parameters.values())  # no default hides in the code


@pytest.mark.parametrize("path", [p for p in COMPONENTS if p.parent.name != "data"], ids=identity)
def test_carries_the_label_that_tables_print(path: Path):
    assert "label" in config_of(path)


@pytest.mark.parametrize(
    "path", [p for p in COMPONENTS if p.parent.name not in {"backbone", "data", "strategy"}], ids=identity
)
def test_what_is_built_keeps_every_setting(path: Path):
    group, config = path.parent.name, config_of(path)
    runtime = {name: RUNTIME[name] for name in RUNTIME_ARGUMENTS.get(group, ())}
    runtime |= {"learning_rate": 0.1} if group == "optimizer" else {}
    built = component.build(config, **RUNTIME | runtime)
    kept = built.get_config() if group in {"optimizer", "pooling"} else {}
    for name in set(config) - component.NOT_ARGUMENTS:
        expected = runtime.get(name, config[name])
        if (group, name) == ("head", "scale"):
            expected = expected or math.sqrt(2) * math.log(6)
            name = "first_scale"
        actual = kept[name] if kept else getattr(built, name)
        assert actual == (pytest.approx(expected) if isinstance(expected, float) else expected)


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
    assert composition("train", tuple(overrides)).settings[overrides[0].split("=")[0]].label == label


def test_demo_settings_go_with_the_demo_data_only():
    demo, folder, own = (composition("train", line).settings for line in ((), ("data=folder",), ("train.epochs=7",)))
    assert (demo.study, demo.backbone.weights, demo.train.batch_size) == ("demo", None, 16)
    assert (folder.study, folder.backbone.weights, folder.train.batch_size) == ("default", "imagenet", 128)
    assert own.train.epochs == 7


@pytest.mark.parametrize("name", sorted(path.stem for path in (CONF / "debug").glob("*.yaml")))
def test_a_debug_preset_wins_over_experiment_and_data_and_shows_in_the_name(name: str):
    job = composition("train", ("experiment=published/09_xception", "debug=" + name))
    check(job.settings, job.choices)
    config, usual = job.settings, composition("train", ("experiment=published/09_xception",)).settings
    assert debugged(config, job.choices) == (None if name == "none" else name)
    assert (config.resume.value, config.evaluate.untrained) == ("auto" if name == "none" else "never", False)
    if name == "none":
        assert config == usual
        return
    assert run_name(config, job.choices) == f"09_xception-debug-{name}"
    assert config.debug.queries == 20
    assert (config.backbone, config.head, config.data) == (usual.backbone, usual.head, usual.data)


def test_the_debug_presets():
    fast, overfit, profile = (
        composition("train", (f"debug={name}",)).settings for name in ("fast", "overfit", "profile")
    )
    assert (fast.debug.steps, fast.train.epochs, fast.evaluate.untrained) == (2, 1, False)  # the demo scores it
    published = composition("train", ("experiment=published/05_inception_resnet_v2_l2", "debug=overfit"))
    chosen = [published.choices[group] for group in ("augment", "optimizer", "regularization", "schedule")]
    assert chosen == ["none", "adam", "none", "constant"]
    assert published.settings.optimizer.learning_rate == 1e-3
    assert overfit.train.epochs * overfit.debug.steps == 500
    assert profile.debug.profile < profile.debug.steps
    assert composition("train", ("debug=overfit", "train.epochs=7")).settings.train.epochs == 7

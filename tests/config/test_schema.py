"""Schemas: bounds belong to one command's setting, names that users see stay, and a class name has one meaning."""

import ast
from collections import Counter
from math import inf
from pathlib import Path

import pytest
import yaml
from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf

from glr.config import values
from glr.config.command import help_text
from glr.config.composition import composition
from glr.config.installation import CONF
from glr.config.schema import bounds

ROOT = Path(__file__).parents[2]
COMMANDS = ["train", "preflight", "evaluate", "predict", "search", "ensemble", "export"]
COMMANDS += ["prepare", "record", "score", "compare", "fleet"]
TRACKING = {"tracking.patience": 0, "tracking.system_metrics": 0.1}
DATA = {
    "data.image_size": 8,
    "data.images_per_class": 2,
    "data.shuffle_buffer": 1,
    "data.parallelism": 1,
    "data.validation_share": 0,
}
DATA |= {"data.max_side": 8, "data.background": 0, "seed": 0}
SWEEP = {"strategy.replicas": 1, "sweep.jobs": 1, "sweep.minutes": 0.01, "sweep.retries": 0, "sweep.backoff": 0}
TRAIN = {
    **TRACKING | DATA | SWEEP,
    "sweep.budget": 0,
    **{"index": 1, "model.embedding_size": 1, "train.epochs": 1, "train.batch_size": 1},
    **{
        "train.steps_per_execution": 1,
        "train.max_skipped_batches": 1,
        "train.layer_decay": 0.01,
        "train.drop_path": 0,
        "train.head_rate": 0.01,
        "checkpoint.minutes": 0.01,
    },
    **{"debug.steps": 1, "debug.queries": 1, "debug.target_loss": 0, "debug.profile": 1},
    **{"checkpoint.steps": 1, "checkpoint.epochs": 1, "checkpoint.keep": 1, "checkpoint.room_minutes": 0},
    **{
        "evaluate.every": 1,
        "evaluate.batch_size": 1,
        "evaluate.gap.neighbors": 1,
        "evaluate.memory": 0.01,
        "evaluate.gallery": 0,
    },
}
PREFLIGHT = {"classes": 2, "images": 1, "host_images_per_core": 1, "price_per_hour": 0}
LOWEST = {
    "train": TRAIN,
    "preflight": TRAIN | {f"preflight.{name}": lowest for name, lowest in PREFLIGHT.items()},
    "evaluate": TRACKING
    | SWEEP
    | {"neighbors": 1, "batch_size": 1, "parallelism": 1, "memory": 0.01, "gallery": 0, "max_model_gb": 0},
    "predict": TRACKING
    | {"strategy.replicas": 1, "neighbors": 1, "batch_size": 1, "parallelism": 1, "memory": 0.01, "max_model_gb": 0},
    "search": TRACKING
    | {"strategy.replicas": 1, "k": 1, "shown": 1, "batch_size": 1, "parallelism": 1, "max_model_gb": 0},
    "ensemble": TRACKING
    | {"index": 1, "neighbors": 1, "memory": 0.01}
    | {"ensemble.max_members": 1, "ensemble.max_dimension": 1, "ensemble.depth": 1},
    "export": TRACKING
    | {"verify": 0, "tolerance": 0, "limits.dimension": 1, "limits.megabytes": 0}
    | {"float16.tolerance": 0, "float16.images": 8},
    "prepare": DATA | {"workers": 1, "shard_images": 1},
    "record": TRACKING | {"public": 0, "private": 0},
    "score": {},
    "fleet": {"minutes": 0},
    "compare": TRACKING | {"compare.decimals": 0},
}


@pytest.mark.parametrize("command", COMMANDS)
def test_each_number_of_a_command_has_its_bounds(command: str):
    bounded = bounds(OmegaConf.get_type(composition(command, ()).settings))
    expected = {
        key: (
            lowest,
            {
                "data.validation_share": 0.5,
                "data.background": 255,
                "public": 1,
                "private": 1,
                "train.layer_decay": 1,
                "train.drop_path": 0.9,
            }.get(key, inf),
        )
        for key, lowest in LOWEST[command].items()
    }
    assert {key: (lowest, highest) for key, lowest, highest in bounded} == expected


def test_yaml_files_name_the_schemas_that_hydra_knows():
    stored = {name.removesuffix(".yaml") for name in ConfigStore.instance().repo if name.endswith("_schema.yaml")}
    assert stored == {f"{command}_schema" for command in COMMANDS}
    for command in COMMANDS:
        assert f"{command}_schema" in yaml.safe_load((CONF / f"{command}.yaml").read_text())["defaults"]


def listed(command: str) -> set[str]:
    """The settings and groups that conf/<command>.yaml lists."""
    written = yaml.safe_load((CONF / f"{command}.yaml").read_text())
    groups = {name for default in written["defaults"] if isinstance(default, dict) for name in default}
    return {name for name in groups | written.keys() if " " not in name} - {"defaults", "hydra", "experiment"}


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_the_settings_of_the_yaml(command: str):
    _, _, shown = help_text(command, []).partition("Settings (key=value)")
    settings = yaml.safe_load("\n".join(shown.partition("\nSee ")[0].splitlines()[1:]))
    assert settings.keys() == listed(command) | (listed("train") if command == "preflight" else set())


def test_a_class_name_of_the_settings_has_no_second_meaning():
    trees = {file: ast.parse(file.read_text()) for file in (ROOT / "glr").rglob("*.py")}
    names = Counter(node.name for tree in trees.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
    settings = [node.name for node in trees[ROOT / "glr/config/schema.py"].body if isinstance(node, ast.ClassDef)]
    words = [name for name, value in vars(values).items() if getattr(value, "__module__", "") == values.__name__]
    assert min(len(settings), len(words)) > 10
    assert [name for name in settings if names[name] > 1] == []
    assert [name for name in words if names[name]] == []

"""The key of a job: the same for what only says where it computes, another for what its result depends on."""

from pathlib import Path

import pytest
from omegaconf import DictConfig, OmegaConf

from glr.config import identity
from glr.config.check import composed
from glr.config.component import resolve
from glr.config.identity import Identity, debugged, differences, flattened, settings_of
from glr.config.run_names import run_name

BASE = ["backbone=small_cnn", "head=arcface"]


def settings(*overrides: str) -> DictConfig:
    return composed("train", [*BASE, *overrides])[0]


def key(config: DictConfig) -> str:
    return Identity(settings_of(config), "").key


@pytest.mark.parametrize(
    "overrides",
    [
        ["head.margin=0.5", "seed=0"],  # what they are anyway
        ["strategy=cpu", "strategy.replicas=2"],
        ["tracking.uri=sqlite:///elsewhere.db", "data.parallelism=7", "evaluate.memory=3"],
        ["index=4", "highlights=[backbone]"],
        ["head.label=Another", "data.label=Mine"],
        ["optimizer.learning_rate=0.0004", "pooling.p=3"],  # 3 and 3.0
        ["data.path=./data/demo", "head.margin=0.5"],
        [f"data.path={Path('data/demo').resolve()}", "data.source.path=elsewhere"],
    ],
)
def test_circumstances_are_no_part_of_the_key(overrides: list[str]):
    assert key(settings(*overrides)) == key(settings())


@pytest.mark.parametrize(
    "override",
    [
        "head.margin=0.4",
        "head=cosface",
        "optimizer=adamw",
        "data.source.train_landmarks=31",
        "seed=1",
        "train.epochs=9",
        "name=other",
        "study=other",
        "init_from.file=weights.h5",
    ],
)
def test_everything_else_is(override: str):
    assert key(settings(override)) != key(settings())


def test_a_class_counts_by_its_name_and_not_by_its_module():
    moved = settings()
    moved.head._target_ = "glr.losses.margin.ArcFace"
    assert key(moved) == key(settings())
    assert settings_of(moved)["head"] == "ArcFace"
    assert settings_of(moved)["data.source"] == "DemoSource"
    own = settings()
    own.head._target_ = "mypackage.ArcFace"
    assert settings_of(own)["head"] == "mypackage.ArcFace"
    assert key(own) != key(settings())
    moved.head._target_ = "glr.losses.margin.CosFace"  # another class with the same arguments
    assert key(moved) != key(settings())


def test_the_file_of_a_choice_is_no_part_of_the_key():
    """AdaCos with a fixed scale and NormSoftmax are one class; with the same arguments they are the same job."""
    assert key(settings("head=norm_softmax", "head.scale=null")) == key(settings("head=adacos_fixed"))


def test_the_data_set_is_part_of_the_identity_beside_the_key():
    one, two = Identity(settings_of(settings()), "a" * 32), Identity(settings_of(settings()), "b" * 32)
    assert one.key == two.key
    assert one.folder != two.folder


def test_initial_weights_count_by_what_they_are():
    by_name, by_id = (settings_of(settings(f"init_from.run={text}"), "run 1234") for text in ("one", "1234"))
    assert Identity(by_name, "").key == Identity(by_id, "").key
    assert Identity(settings_of(settings("init_from.run=one"), "run 5678"), "").key != Identity(by_name, "").key


def test_the_parts_of_initial_weights_count_and_their_order_and_strictness_do_not():
    """A run without `init_from`, and one that takes all parts, have the keys from before `init_from` had settings."""

    def started(*overrides: str) -> str:
        return Identity(settings_of(settings("init_from.run=one", *overrides), "run 1"), "").key

    assert started() == started("init_from.strict=true") == started("init_from.parts=[head,embedding,pooling,backbone]")
    assert started() != started("init_from.parts=[backbone]")
    assert started("init_from.parts=[backbone,head]") == started("init_from.parts=[head,backbone]")
    plain = {key: value for key, value in settings_of(settings()).items() if key != "init_from.parts"}
    assert plain["init_from"] is None
    assert Identity(plain, "").key == key(settings())
    assert Identity(plain | {"init_from": "run 1"}, "").key == started()


def test_a_configuration_is_a_job_without_its_seed():
    zero, one, other = (
        Identity(settings_of(settings(*overrides)), "").configuration
        for overrides in ([], ["seed=1"], ["head.margin=0.4"])
    )
    assert zero == one != other


def test_a_setting_that_is_added_later_counts_only_where_it_differs(monkeypatch: pytest.MonkeyPatch):
    before = key(settings())
    later = settings()
    OmegaConf.set_struct(later, False)
    later.head.easy = False
    assert key(later) != before
    monkeypatch.setitem(identity.ADDED, "head.easy", False)
    assert key(later) == before
    later.head.easy = True
    assert key(later) != before


def test_the_sampler_counts_only_where_it_is_another():
    """Runs from before it was a setting keep their keys."""
    now = settings_of(settings())
    before = {name: value for name, value in now.items() if name not in ("data.sampler", "data.images_per_class")}
    assert len(now) == len(before) + 2
    assert Identity(before, "").key == key(settings())
    balanced = key(settings("data.sampler=classes", "data.images_per_class=4"))
    assert len({key(settings()), balanced, key(settings("data.sampler=classes", "data.images_per_class=8"))}) == 3


def test_the_key_changes_with_the_version_of_the_mathematics(monkeypatch: pytest.MonkeyPatch):
    before = key(settings())
    monkeypatch.setattr(identity, "RESULT_VERSION", identity.RESULT_VERSION + 1)
    assert key(settings()) != before


def test_a_stored_config_of_before_a_move_is_the_same_job():
    stored = settings()
    stored.head._target_, stored.data.source._target_ = "glr.losses.arcface.ArcFace", "glr.sources.DemoSource"
    now = key(settings())
    assert key(stored) == now
    resolve(stored)
    assert stored.head._target_ == settings().head._target_
    assert stored.data.source._target_ == settings().data.source._target_


def test_the_spelling_of_a_sources_folders_is_no_part_of_the_key():
    """The digest of the prepared set covers the folders' content instead."""
    line = ["data=gldv2_clean", "data.source.path=photos"]
    assert key(settings(*line, "data.source.train_images=./train/")) == key(settings(*line))
    assert key(settings("data=gldv2_clean")) == key(settings(*line))  # the set was prepared elsewhere


def test_a_class_of_keras_is_not_glrs_of_the_same_name():
    keras, own = settings(), settings()
    keras.optimizer._target_ = "keras.optimizers.Adam"
    assert own.optimizer._target_ == "glr.optim.optimizer.Adam"
    assert settings_of(keras)["optimizer"] == "keras.optimizers.Adam"
    assert key(keras) != key(own)


def test_neighbouring_large_seeds_are_two_jobs():
    assert key(settings(f"seed={2**53}")) != key(settings(f"seed={2**53 + 1}"))


def test_differences_name_both_values():
    before, now = settings_of(settings()), settings_of(settings("head.margin=0.4", "name=x", "head=cosface"))
    actual = differences(before, now)
    assert "head.margin: 0.5 -> 0.4" in actual
    assert 'head: "ArcFace" -> "CosFace"' in actual
    assert 'name: null -> "x"' in actual
    assert actual == sorted(actual, key=lambda line: line.partition(": ")[0])
    assert differences(before, before) == []
    assert differences({"a": 1}, {"b": None}) == ["a: 1 -> (none)"]  # a missing key is equal to null


def test_flattened():
    assert dict(flattened({"a": {"b": {"c": 1}, "d": [1, 2]}, "e": None})) == {"a.b.c": 1, "a.d": [1, 2], "e": None}


DEBUG = ["debug.steps=2", "debug.queries=5", "debug.target_loss=0.1", "debug.profile=3"]


@pytest.mark.parametrize("override", DEBUG)
def test_a_debug_run_has_a_key_and_a_name_of_its_own(override: str):
    config, choices = composed("train", [*BASE, override])
    assert key(config) != key(settings())
    assert debugged(config, choices) == "settings"
    assert run_name(config, choices) == "small_cnn-arcface-debug-settings"


def test_a_run_without_debug_settings_has_the_key_from_before_they_existed():
    config, choices = composed("train", BASE)
    assert (debugged(config, choices), run_name(config, choices)) == (None, "small_cnn-arcface")
    before = {name: value for name, value in settings_of(config).items() if not name.startswith("debug.")}
    assert Identity(before, "").key == key(config)


@pytest.mark.parametrize(("setting", "value"), [("train.drop_path", 0.1), ("train.head_rate", 100)])
def test_a_run_without_a_later_setting_has_the_key_from_before(setting: str, value: float):
    line = "backbone=convnext_tiny"
    now = settings_of(settings(line))
    before = {name: value for name, value in now.items() if name != setting}
    assert len(now) == len(before) + 1
    assert Identity(before, "").key == key(settings(line))
    assert key(settings(line, f"{setting}={value}")) != key(settings(line))

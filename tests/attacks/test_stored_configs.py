"""A stored config.yaml is data: what it names is built only if conf/ or the user says so, and nothing else happens."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from glr.config.check import check_command_line, composed
from glr.config.component import build
from glr.errors import GlrError
from glr.model.loading import build_model, read_config
from tests.conftest import here

SMALL = ["backbone=small_cnn", "backbone.width=4", "head=arcface", "pooling=gem", "data.image_size=16"]
OWN = """
import pathlib
import keras
pathlib.Path("imported").touch()


class Maximum(keras.layers.GlobalMaxPooling2D):
    pass


def anything(**_):
    pathlib.Path("called").touch()
"""


@pytest.fixture(autouse=True)
def mypackage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package of the user's own, which leaves a trace when it is imported; commands run in its folder."""
    (tmp_path / "mypackage.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)


@cache
def small() -> Any:
    """The settings of a small run."""
    return OmegaConf.to_container(composed("train", SMALL)[0], resolve=True, enum_to_str=True)


def stored(folder: Path, key: str, value: Any) -> Path:
    """A run's config.yaml with one value exchanged."""
    plain = OmegaConf.create(small())
    OmegaConf.update(plain, key, value, merge=False, force_add=True)
    (folder / "config.yaml").write_text(OmegaConf.to_yaml(plain))
    return folder / "config.yaml"


RUNS_CODE = "glr does not run code that a stored config names; if you trust it, add trust="
NO_CLASS = "expected a class of glr, Keras or your own"  # trust would not help
NO_COMPONENT = "pooling is no component: it names no class (_target_)"


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        (
            "pooling",
            {"_target_": "subprocess.Popen", "args": ["touch", "called"]},
            NO_CLASS,
        ),
        ("backbone", {"_target_": "os.system", "command": "touch called"}, NO_CLASS),
        ("head", {"_target_": "builtins.exec", "source": "open('called', 'w')"}, NO_CLASS),
        ("pooling", {"_target_": "mypackage.Maximum"}, f"{RUNS_CODE}[mypackage]"),
        ("pooling", {"_target_": "mypackage.anything"}, f"{RUNS_CODE}[mypackage]"),
        ("head", {"_target_": "mypackage"}, NO_CLASS),
        (
            "pooling",
            {"_target_": "keras.utils.get_file", "fname": "x", "origin": "file:///etc/passwd"},
            "expected one of ",
        ),
        ("optimizer._target_", "keras.utils.get_file", "optimizer._target_=keras.utils.get_file: expected one of "),
        ("optimizer", {"_target_": "keras.optimizers.Ftrl"}, f"{RUNS_CODE}[keras.optimizers.Ftrl]"),
        ("pooling", {"_target_": "keras.layers.TFSMLayer", "filepath": "x"}, "pooling.filepath is not a setting"),
        ("backbone", {"_target_": "keras.saving.load_model", "filepath": "x"}, "expected one of "),
        ("optimizer", {"_target_": "shutil.rmtree", "path": "."}, NO_CLASS),
        ("schedule", {"_target_": "mypackage.anything"}, f"{RUNS_CODE}[mypackage]"),
        ("augment", {"_target_": "mypackage.anything"}, f"{RUNS_CODE}[mypackage]"),
        ("strategy", {"_target_": "mypackage.anything"}, f"{RUNS_CODE}[mypackage]"),
        ("data.source", {"_target_": "mypackage.anything"}, f"{RUNS_CODE}[mypackage]"),
        *(("pooling", value, NO_COMPONENT) for value in (None, 3, {}, "os.system", {"p": 3.0}, {1: 2}, [], False)),
        ("pooling", [{"_target_": "os.system"}], NO_COMPONENT),
        *(("pooling", {"_target_": value}, NO_CLASS) for value in (None, 3, "", {}, ["os.system"])),
        ("pooling", {"_target_": "glr.model.pooling.GeM", 1: 2}, "pooling.1 is not a setting"),
        ("data.source", None, "data.source is no component"),
        ("strategy", "auto", "strategy is no component"),
        ("head.label", {"deep": {"_target_": "mypackage.anything"}}, f"{RUNS_CODE}[mypackage]"),
        ("head.inner", {"_target_": "mypackage.anything"}, f"{RUNS_CODE}[mypackage]"),
        (
            "pooling",
            {"_target_": "glr.storage.write", "path": "called"},
            "this version of glr has no class write there",
        ),
        ("head", {"_target_": "glr.demo.generation.generate"}, "this version of glr has no class generate there"),
        ("pooling", {"_target_": "glr.model.head.arcface.ArcFace"}, "has no class ArcFace there"),  # at another place
        ("trust", ["mypackage"], "Key 'trust' not in 'TrainConfig'"),
        ("study", "${oc.env:HOME}", "study=${oc.env:HOME}: a stored config must not refer to other values"),
        ("head.margin", "${oc.env:HOME}", "head.margin=${oc.env:HOME}: a stored config must not refer"),
        ("highlights", ["${oc.env:HOME}"], "a stored config must not refer to other values"),
        ("head.margin", "nothing", "head.margin=nothing: expected a number"),
        ("head.other", 1, "head.other is not a setting"),
        ("backbone.width", [1] * 9, "backbone.width=[1, 1, 1"),
        ("data.image_size", -1, "data.image_size=-1: expected at least 8"),
    ],
    ids=str,
)
def test_what_a_stored_config_may_not_say(tmp_path: Path, key: str, value: Any, sentence: str):
    file = stored(tmp_path, key, value)
    with pytest.raises(GlrError) as refused:
        build_model(read_config(file), 5, 16)
    assert str(refused.value).startswith(str(file))
    assert sentence in str(refused.value)
    assert not {"called", "imported"} & {path.name for path in tmp_path.iterdir()}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("- a\n- b\n", "is not a config"),
        ("study: [", "is not a config"),
        ("", "this is not the config of a run: it lacks "),
        ("!!python/object/apply:os.system ['touch called']", "is not a config"),
        ("study: !!python/name:os.system", "is not a config"),
        ("a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n", "holds an alias"),
        ("study: " + "[" * 1000, "is not a config"),
        ("study: " + "x" * 2_000_000, "has 2,000,007 bytes"),
        ("study: \udcff", "is not a config"),
    ],
    ids=lambda text: text[:30],
)
def test_a_file_that_is_no_config(tmp_path: Path, text: str, sentence: str):
    (tmp_path / "config.yaml").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(GlrError, match=r"config\.yaml") as refused:
        read_config(tmp_path / "config.yaml")
    assert sentence in str(refused.value)
    assert not (tmp_path / "called").exists()


def test_a_package_that_the_user_trusts_is_built(tmp_path: Path):
    file = stored(tmp_path, "pooling", {"_target_": "mypackage.Maximum"})
    assert type(build(read_config(file, ["mypackage"]).pooling)).__name__ == "Maximum"
    function = stored(tmp_path, "pooling", {"_target_": "mypackage.anything"})
    with pytest.raises(GlrError, match=r"pooling: expected|pooling\._target_=mypackage\.anything: expected a class"):
        build(read_config(function, ["mypackage"]).pooling)
    assert not (tmp_path / "called").exists()


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["pooling._target_=keras.utils.get_file"], "pooling._target_=keras.utils.get_file: expected one of "),
        (
            ["pooling._target_=keras.saving.load_model"],
            "expected one of glr.model.pooling.ClassToken, glr.model.pooling.ClassTokenGeM, glr.model.pooling.GeM, ",
        ),
        (["head._target_=glr.storage.write"], "expected one of glr.model.head.adacos.AdaCosDynamic"),
        (["optimizer._target_=keras.layers.Dense"], "optimizer._target_=keras.layers.Dense: expected one of "),
        (["pooling._target_=os.system"], "expected a class of glr, Keras or your own"),
        (["data.source._target_=subprocess.run"], "expected a class of glr, Keras or your own"),
    ],
    ids=str,
)
def test_a_component_of_a_command_line_is_one_of_its_kind(overrides: list[str], sentence: str):
    with pytest.raises(GlrError) as refused:
        check_command_line("train", overrides, multirun=False)
    assert sentence in str(refused.value)


@pytest.mark.parametrize("target", ["keras.layers.serialize", "mypackage.anything", "keras.layers.GRUCell"])
def test_what_is_no_pooling_is_not_called(tmp_path: Path, target: str):
    config = OmegaConf.create({"pooling": {"_target_": target}})
    if target == "keras.layers.GRUCell":
        config = OmegaConf.create({"head": {"_target_": target, "units": 3}})
    with pytest.raises(GlrError, match=r"expected a class derived from (glr|keras)\."):
        build(next(iter(config.values())))
    assert not (tmp_path / "called").exists()


@pytest.fixture
def config_of_one(trained: Path) -> Iterator[Path]:
    """The stored config.yaml of the run `one`, which is as before afterwards."""
    (file,) = (f for f in trained.glob("mlruns/artifacts/**/config.yaml") if "name: one\n" in f.read_text())
    before = file.read_text()
    yield file
    file.write_text(before)


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("pooling", {"_target_": "subprocess.Popen", "args": ["touch", "called"]}, "pooling._target_=subprocess.Popen"),
        ("backbone", {"_target_": "os.system", "command": "touch called"}, "backbone._target_=os.system: expected"),
        ("data.path", "called", "called"),  # a set that is missing is not made where a store says
    ],
    ids=str,
)
@pytest.mark.parametrize("line", ["evaluate gallery=0", "export output=written"])
def test_commands_that_read_a_stored_config(
    trained: Path, tmp_path: Path, config_of_one: Path, line: str, key: str, value: Any, sentence: str
):
    config = OmegaConf.load(config_of_one)
    OmegaConf.update(config, key, value, merge=False)
    OmegaConf.update(config, "data.prepare_when_missing", True)
    config_of_one.write_text(OmegaConf.to_yaml(config))
    command, *more = line.split()
    printed = here(command, f"tracking.uri=sqlite:///{trained}/mlruns/mlflow.db", "run=one", *more, cwd=tmp_path)
    assert printed.startswith("error: ")
    assert sentence in printed
    assert not {"called", "written"} & {path.name for path in tmp_path.iterdir()}

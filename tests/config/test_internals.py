"""What glr needs of Hydra's and OmegaConf's private parts is there, or the import says what is wrong."""

import importlib
import sys
from pathlib import Path

import cloudpickle
import pytest
from hydra.core.object_type import ObjectType
from hydra.core.singleton import Singleton
from omegaconf import Node, OmegaConf

from glr.config import internals
from glr.config.searchpath import hydra


def test_the_full_key_of_a_node():
    config = OmegaConf.create({"data": {"source": {"path": "x"}}})
    assert internals.full_key(config.data.source) == "data.source"


def test_overrides_stand_on_both_sides_of_a_flag(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "argv", ["train", "seed=1", "-m", "name=x", "--cfg", "job"])
    arguments = internals.command_line()
    assert (arguments.overrides, arguments.multirun, arguments.cfg) == (["seed=1", "name=x"], True, "job")


def test_a_file_is_parsed_once_and_each_caller_has_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file, parsed, load = tmp_path / "a.yaml", [], OmegaConf.load
    monkeypatch.setattr(OmegaConf, "load", lambda opened: parsed.append(opened.name) or load(opened))
    file.write_text("# @package _global_\ndefaults: [b]\nx: {y: 1}\n")
    folder = internals.FileConfigSource("mine", f"file://{tmp_path}")
    first = folder.load_config("a")
    first.config.x.y, first.header["package"] = 2, "other"
    again = folder.load_config("a")
    assert (again.config, again.header) == ({"defaults": ["b"], "x": {"y": 1}}, {"package": "_global_"})
    assert (again.provider, again.path, parsed) == ("mine", f"file://{tmp_path}", [str(file)])
    file.write_text("x: 3\n")
    assert (folder.load_config("a").config, len(parsed)) == ({"x": 3}, 2)
    with pytest.raises(OSError, match=f"Config not found : {tmp_path}/none.yaml"):
        folder.load_config("none")


def test_hydra_reads_files_through_it_and_options_are_hydras(tmp_path: Path):
    (tmp_path / "head/more").mkdir(parents=True)
    (tmp_path / "head/mine.yaml").write_text("scale: 1\n")
    with hydra(str(tmp_path)):
        loader = internals._loader()
        files = {type(source) for source in loader.get_sources() if source.scheme() == "file"}
        assert files == {internals.FileConfigSource}
        for kind in (None, ObjectType.CONFIG, ObjectType.GROUP):
            assert internals.options("head", kind, []) == loader.get_group_options("head", kind)
        assert internals.options("head", ObjectType.GROUP, []) == ["more"]
        assert internals.options("nohead", None, []) == []


def test_a_worker_that_gets_hydras_state_reads_files_through_it(monkeypatch: pytest.MonkeyPatch):
    """Joblib and submitit send the state; there Hydra looks for its plugins once more."""
    with hydra():
        state = cloudpickle.loads(cloudpickle.dumps(Singleton.get_state()))
    monkeypatch.setattr(Singleton, "_instances", {})
    plugins = ("hydra_plugins.", "hydra._internal.core_plugins.")
    for name in [name for name in sys.modules if name.startswith(plugins)]:
        monkeypatch.delitem(sys.modules, name)  # else their classes are new after the test, and those in the store old
    Singleton.set_state(state)
    assert internals.SourcesRegistry.instance().types["file"] is internals.FileConfigSource


def test_another_version_is_refused_at_import():
    import hydra._internal.utils as utils

    for owner, name in ((Node, "_get_full_key"), (utils, "get_args_parser")):
        with pytest.MonkeyPatch.context() as patch:
            patch.delattr(owner, name)
            with pytest.raises(ImportError, match=r"glr needs hydra-core 1\.3 and omegaconf 2\.3: "):
                importlib.reload(internals)
    importlib.reload(internals)

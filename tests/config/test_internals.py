"""What glr needs of Hydra's and OmegaConf's private parts is there, or the import says what is wrong."""

import importlib
import sys

import pytest
from omegaconf import Node, OmegaConf

from glr.config import internals


def test_the_full_key_of_a_node():
    config = OmegaConf.create({"data": {"source": {"path": "x"}}})
    assert internals.full_key(config.data.source) == "data.source"


def test_overrides_stand_on_both_sides_of_a_flag(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "argv", ["train", "seed=1", "-m", "name=x", "--cfg", "job"])
    arguments = internals.command_line()
    assert (arguments.overrides, arguments.multirun, arguments.cfg) == (["seed=1", "name=x"], True, "job")


def test_another_version_is_refused_at_import():
    import hydra._internal.utils as utils

    for owner, name in ((Node, "_get_full_key"), (utils, "get_args_parser")):
        with pytest.MonkeyPatch.context() as patch:
            patch.delattr(owner, name)
            with pytest.raises(ImportError, match=r"glr needs hydra-core 1\.3 and omegaconf 2\.3: "):
                importlib.reload(internals)
    importlib.reload(internals)

"""What is installed with glr."""

from pathlib import Path

import pytest

from glr.config import installation
from glr.config.installation import CONF, pip_install, shipped


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package `glr` in a folder with a stranger's conf/."""
    (tmp_path / "conf").mkdir()
    (tmp_path / "glr").mkdir()
    return tmp_path / "glr"


def test_an_installed_package_has_its_own_settings(package: Path):
    with pytest.raises(FileNotFoundError, match=r"glr/conf: this folder of glr is missing"):
        shipped("conf", package)
    (package.parent / "pyproject.toml").write_text('[project]\nname = "stranger"\n')
    with pytest.raises(FileNotFoundError):
        shipped("conf", package)
    (package / "conf").mkdir()
    assert shipped("conf", package) == package / "conf"


def test_a_checkout_has_its_settings_beside_the_package(package: Path):
    (package.parent / "pyproject.toml").write_text('[project]\nname = "glr-retrieval"\n')
    assert shipped("conf", package) == package.parent / "conf"
    assert Path(__file__).parents[2] / "conf" == CONF


def test_an_extra_is_installed_from_what_runs(monkeypatch: pytest.MonkeyPatch):
    assert pip_install("gpu") == "pip install '.[gpu]'"
    monkeypatch.setattr(installation, "CONF", installation._PACKAGE / "conf")
    assert pip_install("cpu", "gpu") == "pip install 'glr-retrieval[cpu]' or 'glr-retrieval[gpu]'"

"""The tags of a run name code, libraries, machine and command line."""

import getpass
import importlib.metadata
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from glr.tracking import environment
from tests.conftest import ROOT


def git(*arguments: str) -> str:
    return subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True, text=True, check=True).stdout.strip()


def test_code_libraries_and_machine():
    tags = environment.environment()
    assert tags["mlflow.source.git.commit"] == git("rev-parse", "HEAD")
    code = ("glr", "conf", "sweeps", "hydra_plugins")
    assert tags["git.uncommitted_changes"] == str(git("status", "--porcelain", "--", *code) != "")
    for library in ("keras", "mlflow", "numpy"):
        assert tags[f"version.{library}"] == importlib.metadata.version(library)
    assert "version.tensorflow-tpu" not in tags  # it is not installed
    assert tags["python"] == platform.python_version()


def test_outside_of_hydra_the_command_line_is_that_of_the_process(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "argv", ["/bin/tool", "head=a b", "seed=1"])
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", None)
    tags = environment.environment()
    assert (tags["overrides"], tags["command"]) == ("head=a b seed=1", "python -m tool 'head=a b' seed=1")


def test_a_new_file_of_the_code_is_an_uncommitted_change(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    def changed() -> str:
        return environment.environment()["git.uncommitted_changes"]

    monkeypatch.setattr(environment, "__file__", str(tmp_path / "glr/tracking/environment.py"))
    (tmp_path / "glr").mkdir()
    (tmp_path / "glr/one.py").touch()
    name = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for line in (["init", "-q"], ["add", "."], [*name, "commit", "-qm", "first"]):
        subprocess.run(["git", *line], cwd=tmp_path, check=True)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/1.jpg").touch()
    assert changed() == "False"
    (tmp_path / "glr/two.py").touch()
    assert changed() == "True"


def test_a_copy_without_git_has_no_commit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(environment, "__file__", str(tmp_path / "glr/tracking/environment.py"))
    assert not [tag for tag in environment.environment() if "git" in tag]


def test_a_user_without_a_name_is_a_number(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LOGNAME", "ann")
    assert environment.user() == "ann"

    def fails() -> str:
        raise KeyError

    monkeypatch.setattr(getpass, "getuser", fails)
    assert environment.user().isdigit()

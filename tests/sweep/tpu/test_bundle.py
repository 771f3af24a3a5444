"""The code that goes to the machines."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from glr import storage
from glr.errors import GlrError
from glr.sweep.tpu.bundle import USER, bundle


def extracted(name: str, content: bytes, folder: Path) -> Path:
    (folder / name).write_bytes(content)
    with zipfile.ZipFile(folder / name) as archive:
        archive.extractall(folder / "out")
    return folder / "out"


def test_the_wheel_is_glr_with_its_settings_and_plugins(tmp_path: Path):
    made = bundle([], [])
    out = extracted(made.wheel, made.files[made.wheel], tmp_path)
    code = (
        "import importlib.metadata, glr, hydra_plugins.glr_grid; from glr.config.installation import CONF, SWEEPS;"
        "print(glr.__file__, (CONF / 'train.yaml').is_file(), any(SWEEPS.iterdir()), hydra_plugins.glr_grid.__file__,"
        "importlib.metadata.version('glr-retrieval'))"
    )
    environment = os.environ | {"PYTHONPATH": str(out)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    version = made.wheel.split("-")[1]
    plugin = out / "hydra_plugins/glr_grid/__init__.py"
    assert done.stdout.split() == [str(out / "glr/__init__.py"), "True", "True", str(plugin), version], done.stderr
    assert made.digest == bundle([], []).digest


def test_the_users_own_code_and_settings_go_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gcs_folder: str):
    monkeypatch.syspath_prepend(str(tmp_path / "code"))
    (tmp_path / "code/mine_alone/parts").mkdir(parents=True)
    (tmp_path / "code/mine_alone/parts/heads.py").write_text("class Head: ...\n")
    for name in (".env", ".git/config", "parts/.netrc", "__pycache__/heads.pyc"):
        (tmp_path / "code/mine_alone" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "code/mine_alone" / name).write_text("secret")
    key = {"type": "service_account", "private_key": "abc"}
    (tmp_path / "code/mine_alone/parts/vm.json").write_text(json.dumps(key, indent=2))
    (tmp_path / "code/one_file.py").write_text("x = 1\n")
    (tmp_path / "conf/head").mkdir(parents=True)
    (tmp_path / "conf/head/mine.yaml").write_text("_target_: mine_alone.parts.heads.Head\n")
    (tmp_path / "conf/.env").write_text("TOKEN=secret")
    (tmp_path / "conf/id_rsa").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    targets = ["mine_alone.parts.heads.Head", "one_file.Net", "glr.model.head.arcface.ArcFace", "numpy.ndarray"]
    made = bundle(targets, [str(tmp_path / "conf")])
    (tmp_path / "user").mkdir()
    out = extracted(USER, made.files[USER], tmp_path / "user")
    files = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert files == {"mine_alone/parts/heads.py", "one_file.py", "configs/0/head/mine.yaml"}
    assert made.digest != bundle([], []).digest
    folder = made.store(gcs_folder)
    assert storage.files(folder).keys() == made.files.keys()
    assert made.store(gcs_folder) == folder == f"{gcs_folder}/bundles/{made.digest}"
    with pytest.raises(GlrError, match=r"^_target_=nowhere\.\.\.: there is no module nowhere here"):
        bundle(["nowhere.Head"], [])

"""Passwords and tokens of a command line reach what needs them, and nothing that is written, printed or shown by ps."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from glr.config.composition import composition
from glr.config.secrets import conceal, redacted
from tests.conftest import here
from tests.processes.forks import Forks
from tests.processes.mlflow_server import MlflowServer

SECRETS = ["S3cretPw", "w0rd", "t0kenvalue", "4pikeyvalue", "env1ronmentPw", "ghp_abcdefghijklmnopqrstuvwxyz0123456789"]


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(1, 9):
        monkeypatch.delenv(f"GLR_SECRET_{number}", raising=False)


@pytest.mark.parametrize(
    ("override", "key", "value", "secret"),
    [
        ("tracking.uri=http://bob:S3cretPw@host", "tracking.uri", "http://bob:S3cretPw@host", "S3cretPw"),
        ("tracking.uri='http://bob:S3cretPw@host:80/x'", "tracking.uri", "http://bob:S3cretPw@host:80/x", "S3cretPw"),
        ("tracking.uri='http://u:p@ss/w0rd@h'", "tracking.uri", "http://u:p@ss/w0rd@h", "w0rd"),
        ("tracking.uri=postgresql://u:S3cretPw@h/d", "tracking.uri", "postgresql://u:S3cretPw@h/d", "S3cretPw"),
        (
            "tracking.uri='http://h/?token=t0kenvalue&a=1'",
            "tracking.uri",
            "http://h/?token=t0kenvalue&a=1",
            "t0kenvalue",
        ),
        (
            "tracking.uri='http://h/?a=1&api_key=4pikeyvalue'",
            "tracking.uri",
            "http://h/?a=1&api_key=4pikeyvalue",
            "4pi",
        ),
        ("+data.source.token=t0kenvalue", "data.source.token", "t0kenvalue", "t0kenvalue"),
        ("+data.source.password='two words'", "data.source.password", "two words", "two words"),
        (r"+data.source.password=p\,4pikeyvalue", "data.source.password", "p,4pikeyvalue", "4pikeyvalue"),
        (f"name=run-{SECRETS[5]}", "name", f"run-{SECRETS[5]}", SECRETS[5]),
    ],
    ids=str,
)
def test_a_secret_leaves_the_command_line_and_comes_back_as_the_value(override: str, key: str, value: str, secret: str):
    hidden = conceal([override])
    assert secret not in hidden[0]
    settings = composition("train", tuple(hidden)).settings
    assert OmegaConf.select(settings, key) == value
    assert secret not in OmegaConf.to_yaml(settings)  # as Hydra writes it
    assert secret not in redacted(f"{hidden} {value}; cannot open {value}")
    assert conceal(hidden) == hidden


@pytest.mark.parametrize(
    "override",
    [
        "tracking.uri=sqlite:///mlruns/mlflow.db",
        "tracking.uri=http://localhost:5000",
        "data.path=gs://bucket/a@b",
        "head=arcface,cosface",
        "seed=range(1,5)",
        "data.source.path=/photos/ann@home",
        "+data.source.token=null",
        "tracking.uri=http://bob:${oc.env:MY_PW}@host",
        "name='a: b, c'",
    ],
)
def test_a_command_line_without_secrets_stays(override: str):
    assert conceal([override]) == [override]


def test_values_of_telling_variables_are_hidden_wherever_they_stand(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "env1ronmentPw")
    monkeypatch.setenv("HOME", "/home/ann")
    assert redacted("env1ronmentPw in /home/ann, at /home") == "*** in /home/ann, at /home"


@pytest.mark.parametrize(
    "line", ["compare study=nosuch", "evaluate run=nosuch", "export run=nosuch", "record run=nosuch"]
)
def test_no_error_prints_a_password(work: Path, line: str):
    command, *more = line.split()
    uri = f"tracking.uri=sqlite:///{work}/mlruns/mlflow.db?password=S3cretPw"
    said = here(command, *more, *(["public=0.5"] if command == "record" else []), uri, cwd=work)
    assert said.startswith("error: ")
    assert "S3cretPw" not in said


class CommandLines(threading.Thread):
    """Notes the command lines of all processes that run in a folder, as `ps` shows them."""

    def __init__(self, folder: Path):
        super().__init__(daemon=True)
        self._folder, self.ended, self.seen = folder, threading.Event(), set()
        self.start()

    def run(self) -> None:
        while not self.ended.is_set():
            for process in Path("/proc").glob("[0-9]*"):
                try:
                    if (
                        self._folder in (process / "cwd").resolve().parents
                        or (process / "cwd").resolve() == self._folder
                    ):
                        self.seen.add((process / "cmdline").read_bytes().decode(errors="replace"))
                except OSError:
                    continue
            time.sleep(0.1)


@pytest.mark.slow
def test_a_sweep_with_six_kinds_of_secrets_shows_none_of_them(
    processes: Forks, class_folders: Path, tmp_path: Path, new_store: Callable[[Path], Path]
):
    (tmp_path / "server").mkdir()
    new_store(tmp_path / "server")
    server = MlflowServer(processes, tmp_path / "server")
    server.start()
    folder = tmp_path / "work"
    folder.mkdir()
    lines = CommandLines(folder)
    done = processes.output(
        *[f"tracking.uri='{server.uri.replace('//', '//bob:${oc.env:MY_PASSWORD}@')}'", "tracking.patience=20"],
        *["data.label='http://bob:S3cretPw@h'", "head.label='http://u:p@ss/w0rd@h'", "study=secret", "-m"],
        *["pooling.label='http://h/?token=t0kenvalue'", "optimizer.label='api_key=4pikeyvalue'", f"name={SECRETS[5]}"],
        *["backbone=small_cnn", "backbone.width=2", "train.epochs=1", "train.batch_size=12", "evaluate.gallery=0"],
        *["data=folder", f"data.source.path={class_folders}", "data.image_size=16"],
        *["data.source.retrieval_classes=0.25", "data.source.query_images=0.25", "data.prepare_when_missing=true"],
        cwd=folder,
        MY_PASSWORD="env1ronmentPw",
    )
    lines.ended.set()
    server.kill()
    shown = [done.stdout, done.stderr, *lines.seen]
    written = [file for file in tmp_path.rglob("*") if file.is_file() and file.suffix not in (".jpg", ".tfrec", ".h5")]
    assert any(file.name == "multirun.yaml" for file in written)
    for secret in SECRETS:
        assert not [text for text in shown if secret in text]
        assert not [file for file in written if secret.encode() in file.read_bytes()]

"""Passwords on a command line reach only the code that needs them: no file, no output, and not the list of `ps`."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from glr.config import shorthand
from glr.config.composition import composition
from glr.config.jobs import jobs_of_line, keep_config
from glr.config.schema import Tracking
from glr.config.secrets import conceal, redacted
from glr.errors import GlrError
from glr.tracking.run import begin
from glr.tracking.store import check_place
from tests.conftest import here
from tests.processes.forks import Forks
from tests.processes.mlflow_server import MlflowServer

SECRETS = ["S3cretPw", "w0rd", "t0kenvalue", "4pikeyvalue", "env1ronmentPw", "ghp_abcdefghijklmnopqrstuvwxyz0123456789"]
SECRETS += ["S3cretEsc", "S3cretQuo", "S3cretBlank", "interpolatedPw"]


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
        (r"head.label=http\://bob\:S3cretEsc@h", "head.label", "http://bob:S3cretEsc@h", "S3cretEsc"),
        ('pooling.label="http://bob:it\'sS3cretQuo@h"', "pooling.label", "http://bob:it'sS3cretQuo@h", "S3cretQuo"),
        (r"pooling.label='http://bob:it\'sS3cretQuo@h'", "pooling.label", "http://bob:it'sS3cretQuo@h", "S3cretQuo"),
        ("pooling.label='http://bob:a\"S3cretQuo@h'", "pooling.label", 'http://bob:a"S3cretQuo@h', "S3cretQuo"),
        ("head.label='http://bob:two S3cretBlank@h'", "head.label", "http://bob:two S3cretBlank@h", "S3cretBlank"),
        ("head.label='password=two S3cretBlank'", "head.label", "password=two S3cretBlank", "S3cretBlank"),
        (r"head.label=password\=two\ S3cretBlank", "head.label", "password=two S3cretBlank", "S3cretBlank"),
        ('optimizer.label="secret_key=S3cretKey"', "optimizer.label", "secret_key=S3cretKey", "S3cretKey"),
        ("optimizer.label='secretKey=S3cretKey'", "optimizer.label", "secretKey=S3cretKey", "S3cretKey"),
        ("+data.source.secret_key=S3cretKey", "data.source.secret_key", "S3cretKey", "S3cretKey"),
        ("+data.source.secretKey=S3cretKey", "data.source.secretKey", "S3cretKey", "S3cretKey"),
        ("+data.source.signing_key=S3cretKey", "data.source.signing_key", "S3cretKey", "S3cretKey"),
        ("+data.source.encryption_key=S3cretKey", "data.source.encryption_key", "S3cretKey", "S3cretKey"),
        ("+data.source.dbPassword=S3cretKey", "data.source.dbPassword", "S3cretKey", "S3cretKey"),
        ("+data.source.token=1234567", "data.source.token", "1234567", "1234567"),
        ("+data.source.login={pass:S3cretKey,n:3}", "data.source.login", {"pass": "S3cretKey", "n": 3}, "S3cretKey"),
        ("+data.source.login=['http://u:S3cretKey@h',3]", "data.source.login", ["http://u:S3cretKey@h", 3], "S3cret"),
        ("head.label='http://h/?pass=S3cretKey&a=1'", "head.label", "http://h/?pass=S3cretKey&a=1", "S3cretKey"),
        ("head.label='http://h/?a=1&sas=S3cretKey'", "head.label", "http://h/?a=1&sas=S3cretKey", "S3cretKey"),
        ("head.label='http://h/?key=S3cretKey'", "head.label", "http://h/?key=S3cretKey", "S3cretKey"),
        ("head.label='http://h?token=S3cret@Key'", "head.label", "http://h?token=S3cret@Key", "S3cret"),
        (f"name='a\\{SECRETS[5]}'", "name", f"a\\{SECRETS[5]}", SECRETS[5]),
    ],
    ids=str,
)
def test_a_secret_leaves_the_command_line_and_comes_back_as_the_value(override: str, key: str, value: Any, secret: str):
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


@pytest.mark.parametrize(
    ("line", "key", "values"),
    [
        ("tracking.uri=http://bob:S3cretPw@h,http://al:w0rd@h", "tracking.uri", ["bob:S3cretPw", "al:w0rd"]),
        (r"tracking.uri=http\://bob\:S3cretPw@h,http\://al\:w0rd@h", "tracking.uri", ["bob:S3cretPw", "al:w0rd"]),
        ("tracking.uri=choice('http://bob:S3cretPw@h',http://al:w0rd@h)", "tracking.uri", ["bob:S3cretPw", "al:w0rd"]),
    ],
)
def test_each_value_of_a_sweep_is_concealed_apart(line: str, key: str, values: list[str]):
    overrides, jobs = jobs_of_line("train", [line, "seed=1,2"], multirun=True)
    assert jobs is not None
    assert not [secret for secret in SECRETS if secret in f"{overrides} {jobs}"]
    composed = [OmegaConf.select(composition("train", tuple(job)).settings, key) for job in jobs]
    assert composed == [f"http://{value}@h" for value in values for _ in range(2)]


def test_secrets_of_a_sweeps_file_are_concealed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "two.yaml").write_text(
        "head.label: ['http://bob:S3cretPw@h', 'api_key=4pikeyvalue', 'http://al:a,w0rd@h']\n"
    )
    monkeypatch.setattr(shorthand, "SWEEPS", tmp_path)
    overrides, jobs = jobs_of_line("train", ["sweep=two"], multirun=False)
    assert jobs is not None
    assert not [secret for secret in SECRETS if secret in f"{overrides} {jobs}"]
    labels = [composition("train", tuple(job)).settings.head.label for job in jobs]
    assert labels == ["http://bob:S3cretPw@h", "api_key=4pikeyvalue", "http://al:a,w0rd@h"]


def test_secrets_of_a_users_own_yaml_are_not_kept_with_a_sweep(tmp_path: Path):
    settings = {"label": "http://bob:S3cretPw@h", "source": {"password": "w0rd", "mirror": "${data.path}"}}
    config = OmegaConf.create({"data": settings, "hydra": {"sweep": {"dir": str(tmp_path)}}})
    keep_config(config)
    kept = OmegaConf.to_container(OmegaConf.load(tmp_path / "multirun.yaml").data)
    assert kept == {"label": "http://***@h", "source": {"password": "***", "mirror": "${data.path}"}}
    assert config.data.source.password == "w0rd"


@pytest.mark.parametrize(
    "place", ["ftp://bob:S3cretPw@h/runs", "https://h/runs?sas=4pikeyvalue", f"sftp://{SECRETS[5]}@h/runs"]
)
def test_a_place_of_files_with_a_password_is_refused_before_it_is_written(work: Path, place: str):
    tracking = Tracking(f"sqlite:///{work}/mlruns/mlflow.db", place, f"{work}/journals", 1.0)
    with pytest.raises(GlrError, match=r"tracking\.artifacts=.*\*\*\*.* password") as refusal:
        begin(tracking, "places", "one")
    assert not [secret for secret in SECRETS if secret in str(refusal.value)]
    assert not (work / "journals").exists()


@pytest.mark.parametrize(
    "place", [None, "mlruns/artifacts", "gs://b/a@b", "wasbs://box@account.net/x", "sftp://ann@h/x"]
)
def test_a_place_of_files_may_name_a_user_or_a_container(place: str | None):
    check_place(place)


@pytest.mark.parametrize(
    "name", ["AWS_SECRET_KEY", "PGPASSWORD", "DB_PASS", "SSHPASS", "MYSECRET", "HF_TOKEN", "SIGNING_KEY"]
)
def test_telling_variables(name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(name, "env1ronmentPw")
    assert redacted("it is env1ronmentPw") == "it is ***"


def test_what_an_override_reads_of_the_environment_is_hidden(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MINE", "env1ronmentPw")
    monkeypatch.setenv("PLACE", "http://bob:S3cretPw@h/x")
    for name, value in {
        "HOSTNAME": "machine7",
        "FOLDER": "/photos",
        "SLURM_JOB_ID": "1234567",
        "COUNT": "7654321",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LOSS", "arcface")
    lines = [
        "name=x-${oc.env:MINE}",
        "head=${oc.env:LOSS}",
        "head.label='${oc.env:PLACE}'",
        "study=${oc.env:HOSTNAME}-${oc.env:COUNT}",
    ]
    lines += ["data.path=${oc.env:FOLDER}/${oc.env:SLURM_JOB_ID}"]
    assert conceal(lines) == lines
    assert redacted("x-env1ronmentPw S3cretPw, arcface") == "x-*** ***, arcface"
    assert redacted("machine7-7654321 /photos/1234567 http://h/x") == "machine7-7654321 /photos/1234567 http://h/x"


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
    output = here(command, *more, *(["public=0.5"] if command == "record" else []), uri, cwd=work)
    assert output.startswith("error: ")
    assert "S3cretPw" not in output


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
def test_a_sweep_with_many_kinds_of_secrets_shows_none_of_them(
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
        *["pooling.label='http://h/?token=t0kenvalue'", "optimizer.label='api_key=4pikeyvalue'"],
        *['schedule.label="http://bob:it\'sS3cretQuo@h"', f"name={SECRETS[5]}-${{oc.env:MINE}}"],
        *[r"regularization.label=http\://bob\:S3cretEsc@h,'password=a S3cretBlank'"],
        *["backbone=small_cnn", "backbone.width=2", "train.epochs=1", "train.batch_size=12", "evaluate.gallery=0"],
        *["data=folder", f"data.source.path={class_folders}", "data.image_size=16"],
        *["data.source.retrieval_classes=0.25", "data.source.query_images=0.25", "data.prepare_when_missing=true"],
        cwd=folder,
        MY_PASSWORD="env1ronmentPw",
        MINE="interpolatedPw",
    )
    lines.ended.set()
    server.kill()
    shown = [done.stdout, done.stderr, *lines.seen]
    assert done.returncode == 0, done.stderr
    written = [file for file in tmp_path.rglob("*") if file.is_file() and file.suffix not in (".jpg", ".tfrec", ".h5")]
    assert any(file.name == "multirun.yaml" for file in written)
    for secret in SECRETS:
        assert not [text for text in shown if secret in text]
        assert not [file for file in written if secret.encode() in file.read_bytes()]

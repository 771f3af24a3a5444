"""A config has the settings of its schema, no more and no fewer, and each of its values can be read."""

import pytest

from glr.config.check import check_command_line
from glr.errors import GlrError


@pytest.mark.parametrize(
    ("command", "line", "sentence"),
    [
        ("train", "+train.epoch=5", r"train\.epoch is not a setting; did you mean train\.epochs\?"),
        ("train", "++train.epoch=5", r"train\.epoch is not a setting; did you mean train\.epochs\?"),
        ("train", "+sed=1", r"sed is not a setting; did you mean seed\?"),
        ("evaluate", "+neighbours=1", r"neighbours is not a setting; did you mean neighbors\?"),
        ("score", "+foo=1", r"foo is not a setting; the settings at the top are output, "),
        (
            "train",
            "+evaluate.gap.k=1",
            r"evaluate\.gap\.k is not a setting; the settings of evaluate\.gap are neighbors",
        ),
        ("train", "+hydra.foo=1", r"hydra\.foo is not a setting; --cfg hydra lists"),
        ("train", "+hydra.job.foo=1", r"hydra\.job\.foo is not a setting; --cfg hydra lists"),
        ("train", "~train", r"~train: a setting cannot be removed; give it another value"),
        ("train", "~tracking", r"tracking: a value is needed; give it as tracking=VALUE"),
        ("train", "~train.epochs", r"~train\.epochs: a setting cannot be removed"),
        ("train", "name=${nope}", r"name=\$\{nope\}: there is no setting nope; name another, or give name=VALUE"),
        ("train", "highlights=['${nope}']", r"highlights\.0=\$\{nope\}: there is no setting nope"),
        ("train", "name=${oc.env:NOPE}", r"name=.*: the environment variable NOPE is not set; set it, or give name="),
        (
            "train",
            "train.epochs=${study}",
            r"train\.epochs=\$\{study\}: this has no value that fits \(Value 'demo' .* Integer\); correct it",
        ),
        ("train", "hydra.sweep.dir=${nope}", r"hydra\.sweep\.dir=\$\{nope\}: there is no setting nope"),
        ("train", "hydra.job.chdir=true", r"hydra\.job\.chdir=true: glr reads and writes relative to the folder"),
        ("train", "+head=arcface", r"\+head=...: head has a choice already; leave out the \+"),
    ],
)
def test_mistake_is_one_sentence(command: str, line: str, sentence: str):
    with pytest.raises(GlrError, match=f"^{sentence}"):
        check_command_line(command, [line], multirun=False)
    with pytest.raises(GlrError, match=f"^job 2 of 2 .*: {sentence}|^{sentence}"):
        check_command_line(command, [line], multirun=True)


def test_hydras_own_dictionaries_accept_new_keys():
    check_command_line("train", ["+hydra.job.env_set.A=1", "hydra.run.dir=out/${hydra.job.num}"], multirun=False)


def test_mlflows_variable_names_the_server(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(
        GlrError, match=r"variable MLFLOW_TRACKING_URI is not set; set it, or give tracking\.uri=VALUE$"
    ):
        check_command_line("train", ["tracking=server"], multirun=False)
    check_command_line("train", ["tracking=server"], multirun=False, required=False)  # as --help does
    check_command_line("train", ["tracking=server", "tracking.uri=http://host"], multirun=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://host:5000")
    from glr.config.check import composed

    assert composed("train", ["tracking=server"])[0].tracking.uri == "http://host:5000"

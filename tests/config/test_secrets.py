"""Nothing secret is recorded, and nothing else is hidden."""

import pytest

from glr.config.check import check_command_line
from glr.config.jobs import differing
from glr.config.secrets import redacted, without_secrets
from glr.errors import GlrError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tracking.uri=http://ann:pa55@host:5000/x", "tracking.uri=http://***@host:5000/x"),
        ("postgresql+psycopg2://ann:p%40ss@db/mlflow failed", "postgresql+psycopg2://***@db/mlflow failed"),
        ("https://ghp_abc123@github.com/a/b", "https://***@github.com/a/b"),
        ("python -m glr.train +api_token=abc --x", "python -m glr.train +api_token=*** --x"),
        ("http://host/?access_key=abc&page=2", "http://host/?access_key=***&page=2"),
        ("{password: abc, user: ann}", "{password: ***, user: ann}"),
        ("Authorization: Bearer eyJhbGciOi.abc", "Authorization: Bearer ***"),
        ("HF_TOKEN=abc", "HF_TOKEN=***"),
        ("http://ann:p@ss@host/x", "http://***@host/x"),
        ("{'user': 'ann', 'password': 'two words'}", "{'user': 'ann', 'password': ***}"),
        ('passphrase="two words" next', "passphrase=*** next"),
        ("https://a.blob/x?sv=1&sig=a%2Fb&se=2", "https://a.blob/x?sv=1&sig=***&se=2"),
        ("https://storage/x?X-Goog-Signature=ab12cd&x=1", "https://storage/x?X-Goog-Signature=***&x=1"),
        ("Authorization: Token abcdefgh1234", "Authorization: Token ***"),
        ("cannot clone with ghp_abcdefghijklmnopqrstuvwxyz0123456789", "cannot clone with ***"),
        ("db.pwd=hunter2", "db.pwd=***"),
        ("password=123456 token=12345678-abcd-ef01", "password=*** token=***"),
        ("aws_secret_access_key=12/abcDEF", "aws_secret_access_key=***"),
        ("'+db.password=two words' -m", "'+db.password=***' -m"),
        ("password=abc;def", "password=***"),
        ("postgresql://u:p?w@h/db", "postgresql://***@h/db"),
        ("serve --token abcdef --port 3", "serve --token *** --port 3"),
        ("glpat-abcdefghijklmnopqrst", "***"),
        ("u at http://u:p@ss/w0rd@h/x failed", "u at http://***@h/x failed"),
        ("mysql+pymysql://u:pa/ss@h/d", "mysql+pymysql://***@h/d"),
        ("http://host:5000/path and http://h/a@b", "http://host:5000/path and http://h/a@b"),
        ("--uri http://bob:S3cretPw@h -m", "--uri http://***@h -m"),
    ],
)
def test_secrets_are_hidden(text: str, expected: str):
    assert redacted(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "python -m glr.train backbone=densenet201 head=adacos_semi -m",
        "sqlite:///mlruns/mlflow.db and gs://bucket/a@b and http://localhost:5000",
        "evaluate.keep_descriptors=true seed=3 data.source.path=/photos",
        "mail ann@example.org; 3@4 recall@1",
        "secret: null",
        "author: ann, tokens: 512, design: plain",
    ],
)
def test_all_else_stays(text: str):
    assert redacted(text) == text


def test_settings_by_their_names_and_by_what_they_hold():
    settings = {
        "tracking": {"uri": "http://ann:pa55@host", "token": "abc", "retries": 3, "password": 123456},
        "data": {"api_key": None, "keys": ["a", "https://u:p@h"], "credentials": "/home/ann/key.json"},
        "monkey": "banana",
        "auth": {"user": "ann", "words": ["a", "b"]},
    }
    assert without_secrets(settings) == {
        "tracking": {"uri": "http://***@host", "token": "***", "retries": 3, "password": "***"},
        "data": {"api_key": None, "keys": ["a", "https://***@h"], "credentials": "***"},
        "monkey": "banana",
        "auth": "***",
    }


def test_sweeps_show_no_password():
    uri = "tracking.uri=http://ann:pa55@host"
    assert differing([[uri]]) == ["tracking.uri=http://***@host"]
    with pytest.raises(GlrError, match=r"job 1 of 2 \(tracking\.uri=http://\*\*\*@host\): "):
        check_command_line("train", [f"{uri},http://ann:pa55@other", "train.epochs=0"], multirun=True)

"""TF_CONFIG says which of several workers a process is; an invalid one is refused in a sentence."""

import json
from typing import Any

import pytest

from glr.config.check import composed
from glr.devices.workers import Worker, this_worker
from glr.errors import GlrError


def worker(monkeypatch: pytest.MonkeyPatch, content: Any, strategy: str = "multi_worker") -> Worker:
    if content is None:
        monkeypatch.delenv("TF_CONFIG", raising=False)
    else:
        monkeypatch.setenv("TF_CONFIG", content if isinstance(content, str) else json.dumps(content))
    return this_worker(composed("train", [f"strategy={strategy}", "backbone=small_cnn"])[0])


def task(kind: str, index: int, **cluster: list[str]) -> dict[str, Any]:
    return {"cluster": cluster, "task": {"type": kind, "index": index}}


def test_the_chief_is_the_first(monkeypatch: pytest.MonkeyPatch):
    two = ["a:1", "b:1"]
    assert worker(monkeypatch, task("worker", 0, worker=two)) == Worker(0, 2)
    assert worker(monkeypatch, task("worker", 1, worker=two)) == Worker(1, 2)
    assert worker(monkeypatch, task("chief", 0, chief=["c:1"], worker=two)) == Worker(0, 3)
    assert worker(monkeypatch, task("worker", 0, chief=["c:1"], worker=two)) == Worker(1, 3)
    assert [Worker(index, 2).is_chief for index in (0, 1)] == [True, False]


def test_tf_config_means_nothing_to_other_strategies(monkeypatch: pytest.MonkeyPatch):
    assert worker(monkeypatch, task("worker", 1, worker=["a:1", "b:1"]), "cpu") == Worker()


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        '{"task": {"type": "worker", "index": 0}}',
        task("worker", 2, worker=["a:1", "b:1"]),
        task("evaluator", 0, worker=["a:1"], evaluator=["b:1"]),
    ],
    ids=str,
)
def test_a_tf_config_that_makes_no_sense_is_said(monkeypatch: pytest.MonkeyPatch, content: Any):
    with pytest.raises(GlrError, match=r'TF_CONFIG=.* names no worker; give it as {"cluster": {"worker": \['):
        worker(monkeypatch, content)


def test_a_missing_one_too(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(GlrError, match="strategy=multi_worker: TF_CONFIG is not set; give every worker its own, as "):
        worker(monkeypatch, None)

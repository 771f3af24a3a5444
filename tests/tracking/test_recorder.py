"""How values are converted into records."""

from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from glr.tracking.entries import Entry, Metrics, Params, Tags, as_json
from glr.tracking.recorder import Recorder, recorded


class Kept(Recorder):
    """Keeps all records, as a journal does."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.texts: dict[str, str] = {}
        self.files: list[Path] = []

    def record(self, entry: Entry) -> None:
        self.entries.append(entry)

    def file(self, path: Path, folder: str | None = None) -> None:  # noqa: ARG002
        self.files.append(path)

    def text(self, content: str, name: str) -> None:
        self.texts[name] = content

    def metrics_so_far(self) -> list[Any]:
        return [as_json(entry) for entry in self.entries if isinstance(entry, Metrics)]


@pytest.mark.parametrize(
    ("value", "text"), [(None, "null"), (0.5, "0.5"), (True, "True"), ([1, "a"], '[1, "a"]'), ("x", "x")]
)
def test_the_text_of_a_parameter(value: Any, text: str):
    assert recorded(value) == text


def test_a_config_is_its_choices_and_settings_without_secrets():
    run = Kept()
    config = OmegaConf.create(
        {
            "head": {"_target_": "glr.model.head.arcface.ArcFace", "label": "ArcFace", "scale": None, "margin": 0.5},
            "pooling": {"_target_": "mypackage.Own", "label": None},
            "seed": 1,
            "data": {"path": "http://ann:pa55@host/set"},
            "tracking": {"uri": "x"},
            "sweep": {"jobs": 1},
        }
    )
    run.config(config, {"head": "arcface", "data": "demo", "hydra/launcher": "subprocess", "experiment": None})
    params = {key: value for entry in run.entries if isinstance(entry, Params) for key, value in entry.values.items()}
    assert params == {
        **{"head": "arcface", "data": "demo", "head.scale": "null", "head.margin": "0.5", "seed": "1"},
        "pooling.class": "mypackage.Own",
        "data.path": "http://***@host/set",
    }
    tags = {key: value for entry in run.entries if isinstance(entry, Tags) for key, value in entry.values.items()}
    assert tags == {"head.label": "ArcFace"}
    assert "pa55" not in run.texts["config.yaml"]
    assert OmegaConf.create(run.texts["config.yaml"]).head == config.head


def test_metrics_of_a_checkpoint_are_recorded_where_they_are_not_known():
    elsewhere, run = Kept(), Kept()
    for step in (1, 2):
        elsewhere.metrics({"loss": 1 / step}, step)
    run.entries += elsewhere.entries[:1]
    for _ in range(2):
        run.restore(elsewhere.metrics_so_far())
    assert run.entries == elsewhere.entries

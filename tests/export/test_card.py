"""The model card of an export."""

from pathlib import Path

import yaml

from glr.config.check import composed
from glr.export.card import model_card
from glr.export.export import Export
from glr.model.loading import read_config
from glr.tracking.history import find
from glr.tracking.store import connect


def test_the_model_card_says_what_the_run_knows(trained: Path):
    client = connect(f"sqlite:///{trained}/mlruns/mlflow.db")
    runs = [find(client, name) for name in ("one", "two")]
    settings = [read_config(run.stored("config.yaml")) for run in runs]
    config, _ = composed("export", ["card.licence=apache-2.0"])
    done = Export("out", 40, 1.25, 5, "the descriptors of training", 1e-6)
    card = model_card(config, runs, settings, [3.0, 1.0], done)
    front = yaml.safe_load(card.split("---")[1])
    assert front["license"] == "apache-2.0"
    for run, weight in zip(runs, (3, 1), strict=True):
        assert f": {run.name}\n" in card
        assert f"| run | {run.id} of study pair |" in card
        assert f"| weight in the ensemble | {weight} |" in card
        assert f"| gap | {run.metrics['public/gap']:.5f} | {run.metrics['private/gap']:.5f} |" in card
    assert "| licence of the data | not given |" in card
    assert "| input | 16 x 16 pixels, normalised as minus_one_one |" in card
    assert "| tried on | 5 images: largest difference from the descriptors of training 1.0e-06 |" in card
    configs = [part.split("```")[0] for part in card.split("```yaml\n")[1:]]
    assert [yaml.safe_load(config)["model"]["embedding_size"] for config in configs] == [16, 24]

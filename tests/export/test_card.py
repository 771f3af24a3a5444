"""The model card of an export."""

from pathlib import Path

import yaml

from glr.config.check import composed
from glr.export.card import model_card
from glr.export.export import Cost, Export, Written
from glr.export.members import Members
from glr.tracking.history import find
from glr.tracking.store import connect


def test_the_model_card_says_what_the_run_knows(trained: Path):
    client = connect(f"sqlite:///{trained}/mlruns/mlflow.db")
    runs = [find(client, name) for name in ("one", "two")]
    config, _ = composed("export", ["card.licence=apache-2.0", "weights=[3,1]"])
    done = Export("out", 40, 1.25, 5, "the descriptors of training", 1e-6)
    members = Members.of(config, runs)
    card = model_card(config, members, done)
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
    assert "Other formats" not in card
    cost = Cost({"public/map_at_100": (0.5, 0.49)}, 3, 9, False)
    files = (
        Written("model.onnx", 0.5, "ONNX Runtime", "`input_images`", True, 2e-7, None),
        Written("half.tflite", 0.5, "LiteRT", "`input_images_16`", False, 2e-4, cost),
    )
    others = model_card(config, members, Export("out", 40, None, 5, "the descriptors of training", 1e-6, files))
    assert "submission.zip" not in others
    assert "| model.onnx, 0.5 MB | ONNX Runtime | `input_images` | 2.0e-07 on 5 images |  |" in others
    score = "public/map_at_100 0.4900, SavedModel 0.5000 (3 queries, 9 index images, a part of the set)"
    assert f"| 2.0e-04 on 5 images | {score} |" in others
    assert "Resize images for half.tflite as training did" in others

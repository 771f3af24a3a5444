"""The model card of an export: the model, its training data, its scores and its licence.

Source: Mitchell et al., Model Cards for Model Reporting, FAT* 2019, arXiv:1810.03993.
"""

import inspect
from datetime import UTC, datetime

import yaml
from omegaconf import DictConfig, OmegaConf

from glr.config.usages import USAGES, metric_name
from glr.config.values import Score
from glr.export.export import Export
from glr.export.letterbox import letterbox
from glr.export.members import Members
from glr.tracking.history import PastRun

_NOT_GIVEN = "not given"


def model_card(config: DictConfig, members: Members, done: Export) -> str:
    """Return the card as Markdown, with front matter that model hubs read.

    Args:
        config: composed from conf/export.yaml.
        members: the members.
        done: the result of the export.
    """
    card = {key: value or _NOT_GIVEN for key, value in config.card.items()}
    front = {"license": card["licence"], "pipeline_tag": "image-feature-extraction", "tags": ["image-retrieval"]}
    lines = ["---", yaml.safe_dump(front, sort_keys=False).strip(), "---", ""]
    lines += [f"# {' + '.join(run.name for run in members.runs)}", ""]
    lines += [
        f"Maps an image to a descriptor, a unit vector of {done.dimension:,} numbers. The inner product of two "
        "descriptors measures how similar their images are.",
        "",
        "| | |",
        "|---|---|",
        f"| written | {datetime.now(UTC):%Y-%m-%d} |",
        *_saved_model(done),
        f"| weights | of the {'last epoch' if members.checkpoint == 'last' else 'best epoch on Public'} |",
        f"| tried on | {_tried(done)} |",
        f"| licence of the model | {card['licence']} |",
        f"| licence of the data | {card['data_licence']} |",
        f"| authors | {card['authors']} |",
        f"| contact | {card['contact']} |",
        f"| intended use | {card['intended_use']} |",
        "",
        *_other_formats(done),
    ]
    parts = zip(members.runs, members.settings, members.weights, strict=True)
    for number, (run, own, weight) in enumerate(parts, start=1):
        several = len(members.runs) > 1
        title = f"Member {number}: {run.name}" if several else "Model"
        lines += _section(title, run, own, weight if several else None)
    return "\n".join(lines)


def _saved_model(done: Export) -> list[str]:
    if done.megabytes is None:
        return []
    return [
        "| signature `serving_default` | `input_image` uint8 [height, width, 3] -> `global_descriptor` float32 "
        f"[{done.dimension}] |",
        "| signature `batched` | `input_images` uint8 [images, height, width, 3] -> `global_descriptor` float32 "
        f"[images, {done.dimension}] |",
        f"| submission.zip | {done.megabytes:,.1f} MB |",
    ]


def _other_formats(done: Export) -> list[str]:
    """The other files, and how to prepare images for those that take one size."""
    if not done.written:
        return []
    lines = ["## Other formats", "", "Each maps its input to descriptors float32 [images, D].", ""]
    lines += ["| file | runs in | input | largest difference from the SavedModel | cost of float16 |", "|---" * 5 + "|"]
    for each in done.written:
        difference = "not compared" if each.difference is None else f"{each.difference:.1e} on {done.images} images"
        cells = (f"{each.file}, {each.megabytes:,.1f} MB", each.runtime, each.inputs, difference, each.cost or "")
        lines.append(f"| {' | '.join(map(str, cells))} |")
    lines.append("")
    if fixed := [each.file for each in done.written if not each.any_size]:
        lines += [
            f"Resize images for {', '.join(fixed)} as training did; turn photos upright before "
            "(`PIL.ImageOps.exif_transpose`):",
            "",
            "```python",
            "import numpy as np",
            "",
            "",
        ]
        lines += [inspect.getsource(letterbox).strip(), "```", ""]
    return lines


def _section(title: str, run: PastRun, own: DictConfig, weight: float | None) -> list[str]:
    """A member's facts, scores and config."""
    lines = [f"## {title}", "", "| | |", "|---|---|"]
    lines += [*(f"| {name} | {value} |" for name, value in _facts(run, own, weight)), ""]
    divided = [name.partition("/")[2] for name in run.metrics if name.startswith(("public/", "private/"))]
    names = dict.fromkeys(divided or (metric.name for metric in Score if metric.name in run.metrics))
    usages = [usage for usage in USAGES if any(metric_name(usage, name) in run.metrics for name in names)]
    if usages:
        lines.append(f"| score of the last epoch | {' | '.join(usage or 'all queries' for usage in usages)} |")
        lines.append("|---" * (1 + len(usages)) + "|")
        for name in names:
            values = [run.metrics.get(metric_name(usage, name)) for usage in usages]
            lines.append(f"| {name} | {' | '.join('' if v is None else f'{v:.5f}' for v in values)} |")
        lines.append("")
    lines += ["<details><summary>config</summary>", "", "```yaml", OmegaConf.to_yaml(own, resolve=True).strip()]
    lines += ["```", "", "</details>", ""]
    return lines


def _facts(run: PastRun, own: DictConfig, weight: float | None) -> list[tuple[str, str]]:
    labels = [run.settings.get(f"{part}.label") for part in ("backbone", "pooling", "head")]
    return [
        ("run", f"{run.id} of study {run.study}"),
        ("code", run.tags.get("mlflow.source.git.commit", _NOT_GIVEN)),
        ("model", " + ".join(label for label in labels if label)),
        *([] if weight is None else [("weight in the ensemble", f"{weight:g}")]),
        ("input", f"{own.data.image_size} x {own.data.image_size} pixels, normalised as {own.data.normalization.name}"),
        ("data", f"{own.data.label}: {run.params.get('train_images')} images of {run.params.get('classes')} classes"),
        ("parameters", run.params.get("parameters", _NOT_GIVEN)),
        ("epochs", str(own.train.epochs)),
    ]


def _tried(done: Export) -> str:
    if done.difference is None:
        return "nothing"
    return f"{done.images} images: largest difference from {done.reference} {done.difference:.1e}"

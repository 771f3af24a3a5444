"""Descriptions of runs and studies, as Markdown for MLflow's pages."""

import hashlib
import html
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field

from glr.config.grammar import in_grammar
from glr.config.printing import counted
from glr.config.usages import USAGES, metric_name

NOTE = "mlflow.note.content"  # the tag that MLflow shows as the description of a run or an experiment
DESCRIBED = "description"  # the tag with the digest of the description that glr wrote last
EXPERIMENT, RUN = "<experiment>", "<run>"  # in a description: stand for the ids, which only MLflow knows
VIEW = "glr"  # the key of a study's saved view
_RUNS = f"runs?workflowType=machine_learning&viewStateShareKey={VIEW}"  # see `glr.tracking.store.pages`
_MOST = 40  # settings in a table
_LONGEST = 5000  # characters; the shortest limit of a tag in the versions of MLflow
_COMPARED = ("map_at_100", "gap")


@dataclass(frozen=True)
class RunDescription:
    """Describes a run.

    Attributes:
        settings: the settings that differ from the defaults, without secrets.
        command: its command line.
        parent: the id of its sweep's run; None: it belongs to no sweep.
    """

    settings: Mapping[str, object] = field(default_factory=dict)
    command: str = ""
    parent: str | None = None

    def text(self, scores: Mapping[str, float] | None = None, files: Mapping[str, str] | None = None) -> str:
        """The run's description as Markdown.

        Args:
            scores: the run's final metrics; None: it has not ended.
            files: text of a link -> a file of the run.
        """
        links = {text: f"runs/{RUN}/artifacts/{file}" for text, file in (files or {}).items()}
        if self.parent:
            links["sweep"] = f"runs/{self.parent}"
        links["all runs of the study"] = _RUNS
        parts = [*([_scores(scores)] if scores else []), _table(self.settings), _code(self.command)]
        return "\n\n".join([*parts, " · ".join(_link(text, place) for text, place in links.items())])


def of_sweep(command: str, outcome: Mapping[str, float] | None = None, answer: str = "") -> str:
    """Describe a sweep.

    Args:
        command: its command line.
        outcome: its metrics, see `glr.sweep.outcome`; None: no job has ended.
        answer: what its study says so far, in a sentence.
    """
    parts = [escaped(answer)] if answer else []
    if outcome is not None:
        best = f"; best score **{outcome['best_score']:.5f}**" if "best_score" in outcome else ""
        finished, failed = (int(outcome[name]) for name in ("jobs_finished", "jobs_failed"))
        parts.append(f"{counted(finished, 'job')} finished, {failed} failed{best}")
        parts.append(_link("all jobs", f"runs/{RUN}/artifacts/jobs.csv"))
    return "\n\n".join([*parts, _code(command), _link("all runs of the study", _RUNS)])


def of_study(study: str, command: str, best: tuple[str, str, float] | None) -> str:
    """Describe a study.

    Args:
        study: its name.
        command: the command line of its latest sweep or run.
        best: id, name and score of the run with the best score; None: no run has ended.
    """
    lines = []
    if best is not None:
        run_id, name, score = best
        lines.append(f"Best score: **{score:.5f}**, by {_link(name, f'runs/{run_id}')}")
    lines += [_link("Scores and settings of all runs", _RUNS), "Latest command:"]
    tables = shlex.join(["python", "-m", "glr.compare", f"study={in_grammar(study)}", "output=-"])
    return "\n\n".join([*lines, _code(command), "Tables:", _code(tables)])


def digest(text: str) -> str:
    """A short digest of a description, to notice that a user has changed it."""
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def may_write(tags: Mapping[str, str]) -> bool:
    """Return True if the description among these tags is empty or glr's own."""
    return NOTE not in tags or digest(tags[NOTE]) == tags.get(DESCRIBED)


def written(text: str, experiment_id: str, run_id: str) -> dict[str, str]:
    """Return the tags that hold a description; one that is too long for a tag is cut off."""
    text = text.replace(EXPERIMENT, experiment_id).replace(RUN, run_id)
    text = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
    return {NOTE: text, DESCRIBED: digest(text)}


def escaped(text: str) -> str:
    """Write text so that Markdown and HTML show it as it is, in a table, too."""
    visible = re.sub(r"([\\`*_{}\[\]()#+!|~])", r"\\\1", html.escape(" ".join(text.split()), quote=False))
    # MLflow's pages make links of addresses and of @names, and would show a backslash before these.
    return re.sub("[:@]", lambda sign: f"&#{ord(sign[0])};", visible)


def _scores(scores: Mapping[str, float]) -> str:
    """A table with a column for each usage."""
    usages = [usage for usage in USAGES if any(_metric(name, usage) for name in scores)]
    metrics = list(dict.fromkeys(metric for usage in usages for name in scores if (metric := _metric(name, usage))))
    metrics = [metric for metric in metrics if metric in _COMPARED] or metrics  # MLflow shows the first lines only
    lines = [f"| | {' | '.join(usage or 'all queries' for usage in usages)} |", "|---" * (1 + len(usages)) + "|"]
    for metric in metrics:
        values = [scores.get(metric_name(usage, metric)) for usage in usages]
        lines.append(f"| {escaped(metric)} | {' | '.join('' if v is None else f'{v:.5f}' for v in values)} |")
    return "\n".join(lines)


def _metric(name: str, usage: str) -> str | None:
    """The metric whose name for this usage is `name`."""
    metric = name.rpartition("/")[2]
    return metric if name == metric_name(usage, metric) else None


def _table(settings: Mapping[str, object]) -> str:
    shown = list(settings.items())[:_MOST]
    lines = [f"| {escaped(key)} | {escaped(str(value))} |" for key, value in shown]
    if not lines:
        return "All settings have their defaults."
    rest = [f"and {len(settings) - _MOST} more"] if len(settings) > _MOST else []
    return "\n".join(["| setting | value |", "|---|---|", *lines, *rest])


def _code(command: str) -> str:
    line = " ".join(command.split())
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", line)), default=0))
    return f"{fence}sh\n{line}\n{fence}"


def _link(text: str, place: str) -> str:
    return f"[{escaped(text)}](#/experiments/{EXPERIMENT}/{place})"

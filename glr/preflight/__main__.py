"""`python -m glr.preflight`: compile a run's train step for a TPU without one; estimate memory, time and price."""

import json
from dataclasses import asdict
from typing import Any

from omegaconf import DictConfig, OmegaConf

from glr import storage
from glr.config.command import command
from glr.config.printing import say
from glr.errors import GlrError

_SHOWN = {"name", "train.precision", "preflight.topology"}  # in columns of their own


@command("preflight", together=True)
def main(jobs: list[tuple[DictConfig, dict[str, str]]]) -> list[dict[str, object]]:
    """Compile the train step of every run, and print one table for all of them."""
    from glr.preflight.compiling import check_compiler
    from glr.preflight.job import preflight
    from glr.preflight.measuring import Compiler
    from glr.preflight.table import table

    check_compiler()
    settings, compiler = jobs[0][0].preflight, Compiler()
    if settings.output is not None:
        storage.check_writable(settings.output)
    for uri in {config.tracking.uri for config, _ in jobs if config.preflight.log}:
        from glr.tracking.store import connect

        connect(uri)  # fail before hours of compiling
    rows: list[dict[str, object]] = []
    for (config, choices), row in zip(jobs, _labels(jobs), strict=True):
        rows.append(row)
        try:
            row |= asdict(preflight(config, compiler))
        except GlrError as error:
            if len(jobs) == 1:
                raise
            row["failure"] = str(error)
        if settings.output is not None:  # after each run: compiling many takes hours
            storage.write(settings.output, f"{json.dumps(rows, indent=2)}\n".encode(), overwrite=True)
        if config.preflight.log and "failure" not in row:
            _log(config, choices, row)
    print(table(rows, searched=settings.largest_batch))
    if settings.output is not None:
        say(f"\n{settings.output} written")
    failed = sum("failure" in row for row in rows)
    if failed:
        raise GlrError(f"{failed} of {len(jobs)} runs could not be estimated; the table says why")
    return rows


def _labels(jobs: list[tuple[DictConfig, dict[str, str]]]) -> list[dict[str, Any]]:
    """Return each job's run, precision and TPU; if two jobs share all three, also the settings in which jobs differ."""
    from glr.config.identity import flattened
    from glr.config.run_names import run_name

    labels = [
        {
            "run": run_name(config, choices),
            "precision": config.train.precision.value,
            "topology": config.preflight.topology.value,
        }
        for config, choices in jobs
    ]
    if len({tuple(label.values()) for label in labels}) == len(labels):
        return labels
    chosen = [choices for _, choices in jobs]
    composed: list[Any] = [OmegaConf.to_container(config, resolve=True, enum_to_str=True) for config, _ in jobs]
    settings = [dict(flattened(each)) for each in composed]
    groups = [group for group in chosen[0] if len({choices.get(group) for choices in chosen}) > 1]
    keys = [key for key in dict.fromkeys(key for each in settings for key in each) if key.split(".")[0] not in groups]
    keys = [key for key in keys if key not in _SHOWN and len({str(each.get(key)) for each in settings}) > 1]
    for label, choices, each in zip(labels, chosen, settings, strict=True):
        label["run"] = " ".join(
            [label["run"], *(f"{g}={choices.get(g)}" for g in groups), *(f"{k}={each.get(k)}" for k in keys)]
        )
    return labels


def _log(config: DictConfig, choices: dict[str, str], row: dict[str, object]) -> None:
    """Record an estimate as a run of kind preflight in the study."""
    from glr.tracking.run import run

    numbers = {k: v for k, v in row.items() if isinstance(v, int | float)}
    with run(config.tracking, config.study, f"preflight {row['run']}", kind="preflight") as opened:
        opened.provenance(config, choices)
        opened.metrics(numbers, 0)
        opened.text(json.dumps(row, indent=2), "preflight.json")


if __name__ == "__main__":
    main()

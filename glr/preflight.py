"""`python -m glr.preflight`: whether a run fits a TPU, how fast it is and what it costs, without the TPU."""

import json
from typing import Any

from omegaconf import DictConfig

from glr import storage
from glr.config.command import command
from glr.errors import GlrError


@command("preflight", together=True)
def main(jobs: list[tuple[DictConfig, dict[str, str]]]) -> None:
    """Compile the train step of every run, and print one table for all of them."""
    from glr.preflighting.compiling import check_compiler
    from glr.preflighting.job import preflight
    from glr.preflighting.measuring import Compiler
    from glr.preflighting.table import table

    check_compiler()
    settings, compiler = jobs[0][0].preflight, Compiler()
    rows: list[dict[str, Any]] = []
    for config, choices in jobs:
        row = {
            "run": config.name or f"{choices['backbone']}-{choices['head']}",
            "precision": config.train.precision.value,
            "topology": config.preflight.topology.value,
        }
        rows.append(row)
        try:
            row |= preflight(config, compiler).values()
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
        print(f"\n{settings.output} written")
    failed = sum("failure" in row for row in rows)
    if failed:
        raise GlrError(f"{failed} of {len(jobs)} runs could not be estimated; the table says why")


def _log(config: DictConfig, choices: dict[str, str], row: dict[str, Any]) -> None:
    """Record an estimate as a run of kind preflight in the study."""
    from glr.tracking.run import environment, run

    numbers = {k: v for k, v in row.items() if isinstance(v, int | float)}
    with run(config.tracking, config.study, f"preflight {row['run']}", kind="preflight") as opened:
        opened.config(config, choices)
        opened.tags(environment())
        opened.metrics(numbers, 0)
        opened.text(json.dumps(row, indent=2), "preflight.json")


if __name__ == "__main__":
    main()

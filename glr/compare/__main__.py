"""`python -m glr.compare`: write the tables of studies, from MLflow into README.md, a file or the terminal."""

import difflib
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig, OmegaConf

from glr import storage
from glr.config.command import command
from glr.config.printing import printable, say
from glr.config.records import as_csv, as_json
from glr.errors import GlrError

if TYPE_CHECKING:
    from glr.compare.records import Compared
    from glr.report.study.analysis import Analysis
    from glr.report.study.stored import Outcomes
    from glr.tracking.history import PastRun

README = Path("README.md")


@command("compare", printed=True)
def main(config: DictConfig) -> "Compared":
    """Write the tables that the config describes, or check that the existing tables are up to date."""
    studies = list(config.study) if OmegaConf.is_list(config.study) else [config.study]
    if not all(isinstance(study, str) for study in studies):
        raise GlrError(f"study={config.study}: expected the name of a study, or several as [one, another]")
    to_readme = config.output is None and config.format.value == "markdown" and (config.check or _has_place(README))
    if not (config.where is None or OmegaConf.is_dict(config.where)):
        raise GlrError(f"where={config.where}: expected parameters or tags with their values: where={{head: arcface}}")
    file = README if to_readme else None if config.output in (None, "-") else Path(config.output)
    if config.check and file is None:
        raise GlrError("check=true compares with a file: README.md, or the one that output=FILE names")
    if file is not None and not config.check:
        storage.check_writable(file)
    compared = _compared(config, studies)
    text = compared.text
    if file is None:
        print(printable(text), end="")
        return compared
    from glr.compare.document import replaced

    before, after = replaced(file, text) if to_readme else (file.read_text() if file.is_file() else "", text)
    if config.check and before != after:
        stale, fresh = before.splitlines(), after.splitlines()
        say("\n".join(difflib.unified_diff(stale, fresh, f"{file}", f"{file}, fresh", lineterm="", n=1)))
        raise GlrError(f"{file} is stale; the same command without check=true writes it again")
    if before != after:
        storage.write(file, after.encode(), overwrite=True)
    say(f"{file} {'written' if before != after else 'is up to date'}")
    return compared


def _has_place(file: Path) -> bool:
    """Return True if a document has a marker, and so a place for the tables."""
    from glr.compare.document import BEGIN, END

    text = file.read_text(errors="replace") if file.is_file() else ""
    return BEGIN in text or END in text


def _compared(config: DictConfig, studies: list[str]) -> "Compared":
    from glr.compare import configurations, records
    from glr.tracking.history import matching, runs_of
    from glr.tracking.store import connect

    client = connect(config.tracking.uri)
    runs = matching(runs_of(client, studies), config.where or {})
    form, wanted = config.format.value, config.compare
    published = not (wanted.evaluations or any("configuration" in run.tags for run in runs))
    if published and form in ("markdown", "csv"):
        return _published(config, studies, runs)
    _refuse_marks(published=published)
    analysis, outcomes = _analysis(config, studies, runs)
    if form == "html":
        from glr.report.study.assembly import assembled

        page = assembled(config.tracking.uri, analysis, outcomes)
        return records.Compared(page, records.of_configurations(analysis.rows))
    rows = configurations.ordered(analysis) if wanted.order.value == "score" else analysis.rows
    flat = records.of_configurations(rows)
    if form == "json":
        return records.Compared(as_json(records.whole(analysis, rows)), flat)
    if form == "csv":
        return records.Compared(as_csv(flat), flat)
    decimals = 4 if wanted.decimals is None else wanted.decimals
    return records.Compared(configurations.text(analysis, rows, decimals=decimals), flat)


def _refuse_marks(*, published: bool) -> None:
    """Refuse the settings of the published page for another study."""
    from hydra.core.hydra_config import HydraConfig

    for override in HydraConfig.get().overrides.task:
        key = override.partition("=")[0]
        if not published and key in ("compare.highlight", "compare.backbones"):
            raise GlrError(
                f"{key} is for studies of recorded scores; these tables show settings in columns, and mark none"
            )


def _published(config: DictConfig, studies: list[str], runs: "list[PastRun]") -> "Compared":
    """The page of a study whose runs do not say which configuration they are: they were recorded from outside."""
    from glr.compare import rendering
    from glr.compare.records import Compared, of_runs
    from glr.compare.table import tables
    from glr.tracking.rows import ensembles, highlighted, single_models

    wanted = config.compare
    singles = highlighted(single_models(runs, wanted.metric, wanted.settings), wanted.highlight)
    joint = ensembles(runs, singles, wanted.metric)
    if not singles and not joint:
        raise _empty(config, studies)
    if wanted.order.value == "score":
        singles, joint = (sorted(rows, key=lambda row: -row.best) for rows in (singles, joint))
    flat = of_runs(singles, joint)
    if config.format.value == "csv":
        return Compared(as_csv(flat), flat)
    decimals = 5 if wanted.decimals is None else wanted.decimals
    page = rendering.markdown(tables(singles, joint, decimals=decimals, backbones=list(wanted.backbones)))
    return Compared(page, flat)


def _analysis(config: DictConfig, studies: list[str], runs: "list[PastRun]") -> "tuple[Analysis, Outcomes]":
    from glr.report.study.analysis import analyse
    from glr.report.study.configurations import configurations
    from glr.report.study.stored import Outcomes, outcomes_of
    from glr.retrieval.outcomes import MEASURED

    wanted = config.compare
    rows = configurations(
        runs, by_seed=wanted.group.value == "seed", evaluations=wanted.evaluations, printed=list(wanted.settings)
    )
    if not rows:
        raise _empty(config, studies)
    use, columns = wanted.outcomes.value, None if config.format.value == "html" else MEASURED
    outcomes = Outcomes()
    if use != "none":
        outcomes = outcomes_of([run for row in rows for run in row.finished], compute=use == "compute", columns=columns)
    given = {"metric": wanted.metric, "baseline": wanted.baseline, "notes": outcomes.notes}
    return analyse(", ".join(studies), rows, outcomes, **given), outcomes


def _empty(config: DictConfig, studies: list[str]) -> GlrError:
    matching_where = f" matches where={dict(config.where)}" if config.where else " has ended yet"
    kinds = "training run, ensemble or evaluation" if config.compare.evaluations else "training run or ensemble"
    return GlrError(f"study={','.join(studies)}: no {kinds}{matching_where}, so the table is empty")


if __name__ == "__main__":
    main()

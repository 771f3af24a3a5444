"""`python -m glr.compare`: write the tables of studies, from MLflow into README.md, a file or the terminal."""

import difflib
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from glr.config.command import command
from glr.config.printing import printable, say
from glr.errors import GlrError

README = Path("README.md")


@command("compare", printed=True)
def main(config: DictConfig) -> None:
    """Write the tables that the config describes, or check that the existing tables are up to date."""
    studies = list(config.study) if OmegaConf.is_list(config.study) else [config.study]
    if not all(isinstance(study, str) for study in studies):
        raise GlrError(f"study={config.study}: expected the name of a study, or several as [one, another]")
    to_readme = config.output is None and config.format.value == "markdown"
    if not (config.where is None or OmegaConf.is_dict(config.where)):
        raise GlrError(f"where={config.where}: expected parameters or tags with their values: where={{head: arcface}}")
    file = README if to_readme else None if config.output in (None, "-") else Path(config.output)
    if config.check and file is None:
        raise GlrError("check=true compares with a file: README.md, or the one that output=FILE names")

    text = _rendered(config, studies)
    if file is None:
        print(printable(text), end="")
        return
    from glr import storage
    from glr.compare.document import replaced

    before, after = replaced(file, text) if to_readme else (file.read_text() if file.is_file() else "", text)
    if config.check and before != after:
        stale, fresh = before.splitlines(), after.splitlines()
        say("\n".join(difflib.unified_diff(stale, fresh, f"{file}", f"{file}, fresh", lineterm="", n=1)))
        raise GlrError(f"{file} is stale; the same command without check=true writes it again")
    if before != after:
        storage.write(file, after.encode(), overwrite=True)
    say(f"{file} {'written' if before != after else 'is up to date'}")


def _rendered(config: DictConfig, studies: list[str]) -> str:
    from glr.compare import evaluations, rendering
    from glr.compare.table import tables
    from glr.tracking.history import matching, runs_of
    from glr.tracking.rows import ensembles, highlighted, single_models
    from glr.tracking.store import connect

    wanted = config.compare
    runs = matching(runs_of(connect(config.tracking.uri), studies), config.where or {})
    singles = highlighted(single_models(runs, wanted.score, wanted.settings), wanted.highlight)
    joint = ensembles(runs, singles, wanted.score)
    compared = evaluations.evaluations(runs, wanted.score) if wanted.evaluations else []
    if not singles and not joint and not compared:
        matching_where = f" matches where={dict(config.where)}" if config.where else " has ended yet"
        kinds = "training run, ensemble or evaluation" if wanted.evaluations else "training run or ensemble"
        raise GlrError(f"study={','.join(studies)}: no {kinds}{matching_where}, so the table is empty")
    if wanted.order.value == "score":
        singles, joint = (sorted(rows, key=lambda row: -row.best) for rows in (singles, joint))
        compared = sorted(compared, key=lambda each: -next(iter(each.scores.values()), 0.0))
    if config.format.value == "json":
        return rendering.as_json(singles, joint, evaluations.records(compared))
    if config.format.value == "csv":
        return rendering.as_csv(singles, joint, evaluations.records(compared))
    made = (
        tables(singles, joint, decimals=wanted.decimals, backbones=list(wanted.backbones)) if singles or joint else []
    )
    if compared:
        made.append(evaluations.table(compared, decimals=wanted.decimals))
    return rendering.page(made) if config.format.value == "html" else rendering.markdown(made)


if __name__ == "__main__":
    main()

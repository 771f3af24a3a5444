"""`python -m glr.compare`: the tables of studies, from MLflow into README.md, a file or the terminal."""

import difflib
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from glr.config.command import command
from glr.errors import GlrError

README = Path("README.md")


@command("compare")
def main(config: DictConfig) -> None:
    """Write the tables that the config describes, or check that those there are fresh."""
    studies = list(config.study) if OmegaConf.is_list(config.study) else [config.study]
    if not all(isinstance(study, str) for study in studies):
        raise GlrError(f"study={config.study}: expected the name of a study, or several as [one, another]")
    to_readme = config.output is None and config.format.value == "markdown"
    to_terminal = config.output == "-" or (config.output is None and not to_readme)
    if config.check and to_terminal:
        raise GlrError("check=true compares with a file: README.md, or the one that output=FILE names")

    text = _rendered(config, studies)
    if to_terminal:
        print(text, end="")
        return
    from glr.comparison.document import replaced, write

    path = README if to_readme else Path(config.output)
    before, after = replaced(path, text) if to_readme else (path.read_text() if path.exists() else "", text)
    if config.check:
        if before != after:
            lines = (part.splitlines() for part in (before, after))
            print("\n".join(difflib.unified_diff(*lines, f"{path}", f"{path} as it should be", lineterm="", n=1)))
            raise GlrError(f"{path} is stale; write it anew with the same command without check=true")
        print(f"{path} is fresh")
    else:
        if before != after:
            write(path, after)
        print(f"{path}: {'written' if before != after else 'was fresh, nothing changed'}")


def _rendered(config: DictConfig, studies: list[str]) -> str:
    from glr.comparison import rendering
    from glr.comparison.rows import ensembles, highlighted, single_models
    from glr.comparison.table import tables
    from glr.tracking.history import runs_of
    from glr.tracking.store import connect

    wanted = config.compare
    runs = runs_of(connect(config.tracking.uri), studies, config.filter)
    singles = highlighted(single_models(runs, wanted.score, wanted.settings), wanted.highlight)
    joint = ensembles(runs, singles, wanted.score)
    if wanted.order.value == "score":
        singles, joint = (sorted(rows, key=lambda row: -row.best) for rows in (singles, joint))
    if config.format.value == "json":
        return rendering.as_json(singles, joint)
    if config.format.value == "csv":
        return rendering.as_csv(singles, joint)
    made = tables(singles, joint, decimals=wanted.decimals, backbones=list(wanted.backbones))
    return rendering.page(made) if config.format.value == "html" else rendering.markdown(made)


if __name__ == "__main__":
    main()

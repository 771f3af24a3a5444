"""`python -m glr.evaluate`: score a run, or any SavedModel, on a retrieval set."""

from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from glr.config.command import command
from glr.config.printing import say
from glr.config.run_names import evaluation_name
from glr.errors import GlrError
from glr.model.choice import check_images, check_model
from glr.retrieval.scores import Scored, headlines, table
from glr.sweep import progress

_IMAGES = (
    {"prepared": "FOLDER"},
    {"index": "FOLDER", "queries": "FOLDER"},
    {"revisited": "FILE", "images": "FOLDER"},
)


@command("evaluate")
def main(config: DictConfig) -> Scored:
    """Describe the images, rank and score them, and log the scores."""
    with progress.failures():
        _check(config)
        return _evaluate(config)


def _evaluate(config: DictConfig) -> Scored:
    from glr.devices.startup import import_tensorflow

    import_tensorflow()
    from glr.evaluate.job import evaluate, opened_set
    from glr.evaluate.steps import before_and_after, lowered
    from glr.retrieval.trained import opened as opened_model
    from glr.tracking.entries import StudyPage
    from glr.tracking.run import run

    hydra = HydraConfig.get()
    model = opened_model(config)
    scored = opened_set(config, model)
    say(f"{model.name}: {len(scored.index):,} index images, {len(scored.query):,} queries of {scored.path}")
    name, study = evaluation_name(model.name, hydra.overrides.task), model.study or config.study
    with run(config.tracking, study, name, kind="evaluation", parent=model.run_id) as opened:
        opened.provenance(config, hydra.runtime.choices)
        queries = {"queries": len(scored.query)}
        opened.dataset(Path(scored.path).name, scored.digest, scored.path, "evaluation", queries)
        states = evaluate(config, model, scored, opened)
        opened.record(StudyPage("", {}))
    print(table(before_and_after(states)))
    if sentences := lowered(states).values():
        say("\n" + "\n".join(sentences))
    say(f"\nevaluation {opened.id} of {model.name} in study {study}")
    say(f"look at its gallery: {opened.pages}")
    scores = headlines(list(states.values())[-1])
    score = next(iter(scores.values()))
    progress.report(score=score, scores=scores)
    return Scored(score, before_and_after(states), opened.id, name, study, opened.pages)


def _check(config: DictConfig) -> None:
    """Refuse settings that contradict each other."""
    check_model(config)
    given = check_images(config, _IMAGES)
    solutions = [key for key in ("retrieval_solution", "recognition_solution", "index_classes") if config[key]]
    if solutions and given != ["index", "queries"]:
        raise GlrError(f"{', '.join(solutions)}: these belong to index=FOLDER queries=FOLDER")
    if given == ["index", "queries"] and not {"retrieval_solution", "recognition_solution"} & set(solutions):
        raise GlrError(
            "index and queries need retrieval_solution=FILE, recognition_solution=FILE or both; "
            "glr search finds the nearest images without them"
        )


if __name__ == "__main__":
    main()

"""`python -m glr.evaluate`: score a run, or any SavedModel, on a retrieval set."""

from contextlib import ExitStack
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from glr.config.command import command
from glr.config.printing import say
from glr.config.run_names import evaluation_name
from glr.devices.workers import trains_together
from glr.errors import GlrError
from glr.sweep import progress


@command("evaluate")
def main(config: DictConfig) -> float:
    """Describe the images, rank and score them, and log the scores; return the first headline."""
    with progress.failures():
        _check(config)
        return _evaluate(config)


def _evaluate(config: DictConfig) -> float:
    from glr.devices.startup import import_tensorflow

    import_tensorflow()
    from glr.evaluate.job import evaluate, opened_set, run_subject, saved_model_subject
    from glr.evaluate.steps import before_and_after, lowered
    from glr.retrieval.scores import headlines, table
    from glr.tracking.entries import StudyPage
    from glr.tracking.run import run

    hydra = HydraConfig.get()
    with ExitStack() as stack:
        subject = run_subject(config) if config.run else saved_model_subject(config, stack)
        scored = opened_set(config, subject)
        say(f"{subject.name}: {len(scored.index):,} index images, {len(scored.query):,} queries of {scored.path}")
        name = evaluation_name(subject.name, hydra.overrides.task)
        opened = stack.enter_context(
            run(config.tracking, subject.study, name, kind="evaluation", parent=subject.run_id)
        )
        opened.provenance(config, hydra.runtime.choices)
        queries = {"queries": len(scored.query)}
        opened.dataset(Path(scored.path).name, scored.digest, scored.path, "evaluation", queries)
        states = evaluate(config, subject, scored, opened)
        opened.record(StudyPage("", {}))
    print(table(before_and_after(states)))
    if sentences := lowered(states).values():
        say("\n" + "\n".join(sentences))
    say(f"\nevaluation {opened.id} of {subject.name} in study {subject.study}")
    say(f"look at its gallery: {opened.pages}")
    scores = headlines(list(states.values())[-1])
    score = next(iter(scores.values()))
    progress.report(score=score, scores=scores)
    return score


def _check(config: DictConfig) -> None:
    """Refuse settings that contradict each other."""
    if (config.run is None) == (config.model is None):
        raise GlrError("give run=NAME (or its id), or model=FOLDER of a SavedModel: one of them")
    given = [key for key in ("prepared", "index", "queries", "revisited", "images") if config[key] is not None]
    if given not in ([], ["prepared"], ["index", "queries"], ["revisited", "images"]):
        raise GlrError(
            f"{', '.join(given)}: give prepared=FOLDER, or index=FOLDER queries=FOLDER, or revisited=FILE images=FOLDER"
        )
    if not given and config.model is not None:
        raise GlrError("model has no data set: give prepared=, or index= and queries=, or revisited= and images=")
    solutions = [key for key in ("retrieval_solution", "recognition_solution", "index_classes") if config[key]]
    if solutions and given != ["index", "queries"]:
        raise GlrError(f"{', '.join(solutions)}: these belong to index=FOLDER queries=FOLDER")
    if given == ["index", "queries"] and not {"retrieval_solution", "recognition_solution"} & set(solutions):
        raise GlrError("index and queries need retrieval_solution=FILE, recognition_solution=FILE or both")
    if config.model is not None and config.tta.flip:
        raise GlrError("tta: a SavedModel makes its own views of an image; flip needs a run")
    if config.model is not None and config.checkpoint.value != "last":
        raise GlrError("checkpoint=best: a SavedModel has one set of weights; this setting needs a run")
    if trains_together(config):
        raise GlrError("strategy=multi_worker: several workers train a run; one machine evaluates it")


if __name__ == "__main__":
    main()

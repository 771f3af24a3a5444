"""The metrics before post-processing and after each step of it, and the steps that lower them."""

from collections.abc import Mapping
from itertools import pairwise

from glr.retrieval.descriptors import Descriptors
from glr.retrieval.scores import headlines
from glr.retrieval.task import Ranking, Rerank, Task, evaluate

States = Mapping[str, Mapping[str, float]]


class Steps:
    """Scores the descriptors after each step.

    Args:
        task: knows the right answers.
        memory: GB for each search.

    Attributes:
        metrics: step -> the task's metrics after it, in order; the first step is the empty text, the description.
        ranking: the ranking after the last step.
    """

    ranking: Ranking

    def __init__(self, task: Task, memory: float):
        self._task = task
        self._memory = memory
        self.metrics: dict[str, dict[str, float]] = {}

    def __call__(self, step: str, index: Descriptors, query: Descriptors, rerank: Rerank | None = None) -> None:
        """Score index and queries after a step.

        Raises:
            GlrError: the task does not match the images, or the search refuses the descriptors.
        """
        self.metrics[step], self.ranking = evaluate(self._task, index, query, memory=self._memory, rerank=rerank)


def before_and_after(states: States) -> dict[str, Mapping[str, float]]:
    """Return the metrics without and with post-processing; without any, the metrics under an empty name."""
    first, *others = states.values()
    return {"before": first, "after": others[-1]} if others else {"": first}


def lowered(states: States) -> dict[str, str]:
    """Return a sentence for each step that lowers a headline, with the values before and after it, to four decimals."""
    sentences = {}
    for (_, before), (step, after) in pairwise(states.items()):
        changes = [(name, before[name], value) for name, value in headlines(after).items()]
        worse = [f"{name} from {old:.4f} to {new:.4f}" for name, old, new in changes if round(new, 4) < round(old, 4)]
        if worse:
            sentences[step] = f"{step} lowers {', '.join(worse)}"
    return sentences

"""Each enum has the same words as the code that interprets them."""

from enum import Enum

import pytest

from glr.config import values
from glr.preflight.topology import TOPOLOGIES
from glr.retrieval.metrics import recognition_metrics, retrieval_metrics
from glr.tracking.rows import MODEL, SETTING

ENUMS = [each for each in vars(values).values() if isinstance(each, type) and issubclass(each, Enum) and each != Enum]


def words(kind: type[Enum]) -> set[str]:
    return {word.value for word in kind}


@pytest.mark.parametrize("kind", ENUMS, ids=lambda kind: kind.__name__)
def test_a_word_is_its_own_value(kind: type[Enum]):
    """OmegaConf reads names, the code compares values."""
    assert [word.name for word in kind] == [word.value for word in kind]


def test_words_are_what_the_code_knows():
    metrics = retrieval_metrics({"q": {"a"}}, {}) | recognition_metrics({"q": {"a"}}, {})
    assert words(values.Score) == {name for name in metrics if "position" not in name}
    assert words(values.RunPart) == MODEL.keys() | SETTING.keys()
    assert words(values.TopologyName) == TOPOLOGIES.keys()

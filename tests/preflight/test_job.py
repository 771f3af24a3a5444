"""The data set's size, the search for the largest batch, and what runs of a sweep share."""

from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from glr.config.check import composed
from glr.errors import GlrError
from glr.preflight.compiling import Compiled
from glr.preflight.job import largest_share, preflight, train_set
from glr.preflight.measuring import Step
from glr.preflight.topology import GIB
from glr.preflight.tracing import Traced


def config(*overrides: str):
    return composed("preflight", list(overrides))[0]


def test_the_published_sets_need_no_data(tmp_path: Path):
    nowhere = f"data.path={tmp_path}/none"
    assert train_set(config("experiment=published/09_xception", nowhere)) == (81_313, 1_580_470)
    assert train_set(config("data=gldv2_full", nowhere)) == (203_094, 4_132_914)
    assert train_set(config("data=gldv2_clean", nowhere, "preflight.classes=10")) == (10, 1_580_470)
    with pytest.raises(GlrError, match=r"holds no prepared set: give preflight\.classes and preflight\.images"):
        train_set(config("data=folder", nowhere, "preflight.classes=10"))


def test_a_prepared_set_says_itself_how_large_it_is(small_data):
    place = f"data.path={small_data.path}"
    counts = small_data.classes, small_data.images("train")
    assert train_set(config("data=gldv2_clean", place)) == counts
    assert train_set(config("data=gldv2_clean", place, "preflight.images=7")) == (counts[0], 7)


@pytest.mark.parametrize("largest", [0, 1, 5, 16, 63, 1000])
@pytest.mark.parametrize("guess", [0, 1, 40, 3000])
def test_the_search_ends_within_a_sixteenth_of_the_largest(largest: int, guess: int):
    tried: list[int] = []
    largest_fitting = largest_share(lambda share: tried.append(share) or share <= largest, guess)
    assert largest_fitting <= largest
    assert largest - largest_fitting <= max(largest // 16, 0)
    assert len(tried) == len(set(tried)) <= 40


def test_the_largest_batch_is_sought_with_steps_of_other_batches():
    tried: list[int] = []

    def compiler(step: Step) -> tuple[Traced, Compiled]:
        """A GiB of weights, 0.1 GiB an image: (15.48 - 1) / 0.1 images fit a core."""
        share = step.config.train.batch_size // 8
        tried.append(share)
        needed = int((1 + 0.1 * share) * GIB)
        fits = needed <= 15.48 * GIB
        return Traced(1, 1), Compiled(temporaries=needed, seconds=1.0) if fits else Compiled(needed=needed)

    line = ["experiment=published/09_xception", "train.batch_size=128", "preflight.largest_batch=true"]
    estimated = preflight(config(*line), compiler)
    assert estimated.largest_batch % 8 == 0
    assert 144 * 15 / 16 - 1 <= estimated.largest_batch // 8 <= 144
    assert tried[0] == estimated.batch_per_core == 16
    assert {estimated.largest_batch // 8, *tried} == set(tried)
    assert estimated.step_seconds == pytest.approx(1.0)
    guessed = preflight(config(*line[:2]), compiler)
    assert guessed.largest_batch == 8 * int(15.48 / (2.6 / 16 + image_bytes() / GIB))  # as if all grew with the batch


def image_bytes() -> int:
    """Return the bytes of an image of 441 x 441 pixels, its colours and its label."""
    return 3 * 441**2 + 4 * 13


def test_a_batch_that_the_train_set_does_not_fill_is_refused_as_train_does():
    with pytest.raises(GlrError, match=r"train\.batch_size=128, but there are only 100 train images; lower"):
        preflight(config("experiment=published/09_xception", "preflight.images=100"), lambda _: pytest.fail("compiled"))


@pytest.mark.parametrize("overrides", [["experiment=published/06b_resnet152_v2_finetune"], ["data=demo"]])
def test_the_run_is_composed_as_train_composes_it(overrides: list[str]):
    composition: Any = OmegaConf.to_container(config(*overrides), resolve=True)
    del composition["preflight"]
    assert composition == OmegaConf.to_container(composed("train", overrides)[0], resolve=True)

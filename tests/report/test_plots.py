"""Compare the numbers of the curves with their definition, and check the pictures."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from glr.errors import GlrError
from glr.html.palette import RIGHT, WRONG
from glr.report.plots import mean_interpolated_precision, plot_precision_recall, plot_score_distribution, score_bins


def by_definition(relevant: set[str], ranking: list[str], k: int) -> list[Fraction]:
    """Interpolated precision: at each of 101 levels, the best precision at any rank with at least that recall."""
    points = []
    for rank in range(1, min(k, len(ranking)) + 1):
        hits = len(relevant & set(ranking[:rank]))
        if hits:
            points.append((Fraction(hits, len(relevant)), Fraction(hits, rank)))
    return [max((p for r, p in points if r >= Fraction(level, 100)), default=Fraction(0)) for level in range(101)]


@pytest.mark.parametrize("k", [1, 7, 100])
def test_precision_follows_the_definition(k: int):
    rng = np.random.default_rng(k)
    names = [f"i{number}" for number in range(60)]
    solution = {f"q{n}": set(rng.choice(names, int(rng.integers(0, 40)), replace=False)) for n in range(30)}
    rankings = {query: list(rng.permutation(names)[: rng.integers(0, 60)]) for query in list(solution)[:-3]}
    judged = [by_definition(relevant, rankings.get(q, []), k) for q, relevant in solution.items() if relevant]
    expected = [float(sum(level) / len(judged)) for level in zip(*judged, strict=True)]
    np.testing.assert_allclose(mean_interpolated_precision(solution, rankings, k), expected, atol=1e-12)


def test_an_example_by_hand():
    # Right at ranks 1, 3 and 10 of four relevant images: precision 1, 2/3, 3/10; recall never comes to 1.
    ranking = ["a", "x", "b", *("y" * 6), "c"]
    precision = mean_interpolated_precision({"q": {"a", "b", "c", "d"}, "nothing": set()}, {"q": ranking})
    np.testing.assert_allclose(precision[[0, 25, 26, 50, 51, 75]], [1, 1, 2 / 3, 2 / 3, 0.3, 0.3])
    assert not precision[76:].any()
    assert precision.shape == (101,)


def test_a_repeated_image_counts_once():
    precision = mean_interpolated_precision({"q": {"a", "b"}}, {"q": ["a", "a", "a", "b"]})
    np.testing.assert_allclose(precision[[50, 51]], [1, 0.5])


def test_a_perfect_ranking_has_precision_1_throughout():
    solution = {f"q{size}": {str(i) for i in range(size)} for size in range(1, 101)}
    rankings = {query: sorted(relevant) for query, relevant in solution.items()}
    assert (mean_interpolated_precision(solution, rankings) == 1).all()


def ink(file: Path) -> np.ndarray:
    """Return where the drawing is not grey."""
    image = np.asarray(PIL.Image.open(file).convert("RGB"), int)
    return np.ptp(image, axis=2) > 60


def test_curves_lie_where_their_numbers_are(tmp_path: Path):
    perfect, half = {"a": {"x"}}, {"b": {"x", "y"}}
    plot_precision_recall({"Public": perfect, "Private": half}, {"a": ["x"], "b": ["z", "x"]}, tmp_path / "both.png")
    plot_precision_recall({"Public": perfect}, {"a": ["x"]}, tmp_path / "one.png")
    both, one = ink(tmp_path / "both.png"), ink(tmp_path / "one.png")
    height, width = both.shape
    # Perfect: along the top, over the whole width. The other: at half height, and only as far as recall 0.5.
    assert one[: height // 6].any(0).sum() > 0.8 * width
    middle = np.any(both[int(height * 0.4) : int(height * 0.6)], axis=0)
    assert middle[: width // 2].sum() > 0.2 * width
    assert not both[int(height * 0.4) :, int(width * 0.6) :].any()
    assert not one[int(height * 0.4) : int(height * 0.6)].any()


def test_a_run_that_finds_nothing_is_drawn(tmp_path: Path):
    plot_precision_recall({"Public": {"a": {"x"}}}, {}, tmp_path / "a.png")
    assert ink(tmp_path / "a.png").any()


@pytest.mark.parametrize("solutions", [{}, {"Public": {}}, {"Public": {"a": {"x"}}, "Private": {"b": set()}}])
def test_no_curve_without_relevant_images(solutions: dict, tmp_path: Path):
    with pytest.raises(GlrError, match=r"no part|no query"):
        plot_precision_recall(solutions, {"a": ["x"]}, tmp_path / "a.png")


SCORES = [
    (np.random.default_rng(1).normal(0.7, 0.1, 500), np.random.default_rng(2).normal(0.3, 0.1, 5000)),
    ([0.9, 0.8], [0.1]),
    ([0.5], [0.5]),
    ([1.0] * 100, [1.0 + 1e-9] * 7),
    ([0.5], []),
    ([], [0.0, 0.0]),
]


@pytest.mark.parametrize(("right", "wrong"), SCORES)
def test_every_kind_of_scores_is_drawn_in_its_colour(right: list[float], wrong: list[float], tmp_path: Path):
    plot_score_distribution(right, wrong, tmp_path / "a.png")
    image = np.asarray(PIL.Image.open(tmp_path / "a.png").convert("RGB"), int)
    for colour in [colour for colour, scores in ((RIGHT, right), (WRONG, wrong)) if len(scores)]:
        assert (np.abs(image - colour).max(-1) < 12).sum() > 40


@pytest.mark.parametrize(("right", "wrong"), SCORES)
def test_bins_hold_every_score_and_have_width(right: list[float], wrong: list[float]):
    groups = [np.array(scores) for scores in (right, wrong) if len(scores)]
    bins = score_bins(groups)
    assert np.diff(bins).min() > 1e-5
    assert len(bins) % 2 == 0
    for scores in groups:
        density, _ = np.histogram(scores, bins, density=True)
        assert np.histogram(scores, bins)[0].sum() == len(scores)
        assert density @ np.diff(bins) == pytest.approx(1)


def test_the_medians_stand_at_their_scores(tmp_path: Path):
    right = [0.0, *[0.75] * 3, 1.0]
    plot_score_distribution(right, [], tmp_path / "a.png")
    image = np.asarray(PIL.Image.open(tmp_path / "a.png").convert("RGB"), int)
    columns = np.flatnonzero((np.abs(image - RIGHT).max(-1) < 12).mean(0) > 0.6)
    frame = np.flatnonzero((image < 60).all(-1).mean(1) > 0.6)[-1]  # the lower axis, from -0.02 to 1.02
    ends = np.flatnonzero((image[frame] < 60).all(-1))
    share = (columns.mean() - ends.min()) / (ends.max() - ends.min())
    assert share == pytest.approx(0.77 / 1.04, abs=0.01)


def test_pictures_are_the_same_each_time(tmp_path: Path):
    for name in ("a.png", "b.png"):
        plot_precision_recall({"Public": {"q": {"x"}}}, {"q": ["y", "x"]}, tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_no_distribution_of_nothing(tmp_path: Path):
    with pytest.raises(GlrError, match="no results"):
        plot_score_distribution([], [], tmp_path / "a.png")

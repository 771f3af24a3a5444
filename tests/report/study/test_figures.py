"""Plots of a study: their marks lie where the numbers are, their colours are the page's, and their words agree."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from glr.report.study.drawing import shortened
from glr.report.study.figures import Bar, curves, forest, precision_recall, ranks

SVG = "{http://www.w3.org/2000/svg}"
METRIC = "private/map_at_100"


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in parsed(svg).iter(f"{SVG}text")]


def parsed(svg: str):
    return ElementTree.fromstring(svg)


def lines(svg: str, colour: str) -> list[np.ndarray]:
    """The points of the lines that are drawn in a colour."""
    paths = [path for path in parsed(svg).iter(f"{SVG}path") if f"stroke: {colour}" in path.get("style", "")]
    return [np.array(re.findall(r"[ML] ([-\d.]+) ([-\d.]+)", path.get("d", "")), float) for path in paths]


@pytest.fixture(scope="module")
def bars() -> str:
    shown = Bar("ArcFace", 0.02, 0.01, 0.03, True)
    return forest([shown, Bar("Cos", -0.01, -0.04, 0.02, False, "2 pairs")], METRIC, "difference in Private mAP@100")


def test_a_forest_plot_draws_intervals_at_one_scale(bars):
    (first,) = lines(bars, "var(--series-0)")[:1]
    second = next(line for line in lines(bars, "var(--faint)") if len(line) == 2 and line[0, 1] == line[1, 1])
    assert second[1, 0] - second[0, 0] == pytest.approx(3 * (first[1, 0] - first[0, 0]), rel=1e-3)
    # From 0.02, the end of the second interval, to 0.03 is half of the first interval.
    assert first[1, 0] - second[1, 0] == pytest.approx((first[1, 0] - first[0, 0]) / 2, rel=1e-3)


def test_a_forest_plot_says_its_figures_in_text_and_to_those_who_do_not_see_it(bars):
    assert {"ArcFace", "+0.020 [0.010, 0.030]", "Cos (2 pairs)", "-0.010 [-0.040, 0.020]"} <= {*texts(bars)}
    assert parsed(bars).get("role") == "img"
    assert parsed(bars).get("aria-label") == (
        "difference in Private mAP@100: ArcFace +0.020 [0.010, 0.030]; Cos -0.010 [-0.040, 0.020] (2 pairs)"
    )


def test_colours_are_those_of_the_page_and_the_ground_is_transparent(bars):
    assert not re.findall(r"(?:fill|stroke): #", bars)
    assert not re.findall(r"<(?:g|svg)[^>]* id=", bars)
    assert "<metadata" not in bars


@pytest.mark.parametrize("name", ["$a_1$ and $b^2$", "<b>&amp;\"'", "a\x1b[31m"])
def test_a_name_is_text_whatever_it_holds(name):
    svg = forest([Bar(name, 0.1, 0.0, 0.2, True)], METRIC, "difference")
    assert name.replace("\x1b", "\\x1b") in texts(svg)


def test_curves_are_means_with_bands_over_the_seeds():
    svg = curves({"A": [[(1, 0.0), (2, 1.0)], [(1, 0.2), (2, 0.6), (3, 0.5)]]}, "score")
    line = lines(svg, "var(--series-0)")[0]
    heights = line[0, 1] - line[:, 1]  # mean: 0.1, 0.8, 0.5
    assert heights / heights[1] == pytest.approx([0, 1, 4 / 7], abs=1e-3)
    assert parsed(svg).get("aria-label") == "score by epoch: A ends at 0.500 after epoch 3 (2 seeds)"
    assert "A" in texts(svg)


@pytest.mark.parametrize(("metric", "ranked"), [("gap", [1, 2, 2, 4]), ("mean_position", [4, 2, 2, 1])])
def test_ranks_change_between_the_usages_and_equal_scores_share_one(metric, ranked):
    scores = {"a": (0.9, 0.1), "b": (0.5, 0.4), "c": (0.5, 0.3), "d": (0.2, 0.2)}
    label = parsed(ranks(scores, metric)).get("aria-label")
    assert [int(rank) for rank in re.findall(r"rank (\d), and", label)] == ranked


def test_ranks_mark_who_rises_and_falls():
    drawn = texts(ranks({"a": (0.9, 0.4), "b": (0.5, 0.5), "c": (0.1, 0.1)}, "gap"))
    assert {"a  0.900", "0.400  ▼ 1", "b  0.500", "0.500  ▲ 1", "0.100"} <= {*drawn}


def test_precision_over_recall_is_the_mean_over_seeds():
    svg = precision_recall({"A": [np.linspace(1, 0, 11), np.linspace(0.5, 0, 11)]})
    line = lines(svg, "var(--series-0)")[0]
    steps = np.diff(line[:, 1])
    assert steps == pytest.approx(np.full(len(steps), steps[0]), rel=1e-3)  # a straight line that falls
    assert steps[0] > 0
    assert parsed(svg).get("aria-label").endswith("A 0.750 at 0, 0.375 at a half, 0.000 at all")


def test_names_lose_their_middle():
    assert shortened("abcdefghij", 5) == "ab…ij"
    assert shortened("abcde", 5) == "abcde"


def test_a_long_name_is_broken_into_lines_and_keeps_its_note():
    name = ", ".join(f"optimizer.setting{number}=0.001" for number in range(4))  # 106 characters
    svg = forest([Bar(name, 0.1, 0.0, 0.2, True, "2 pairs"), Bar("x" * 400, 0.1, 0.0, 0.2, True)], METRIC, "difference")
    shown = texts(svg)
    assert f"{name} (2 pairs)" in " ".join(shown)
    cut = [text for text in shown if "x" in text]
    assert [len(text) for text in cut] == [48] * 4
    assert "".join(cut) == "x" * 96 + "…" + "x" * 95

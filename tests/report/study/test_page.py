"""A study's page: what it holds, and that nothing in it reaches out or runs but the script that sorts."""

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from glr.report.study.answer import answer
from glr.report.study.page import page
from tests.report.study.conftest import METRIC, analysis, difference, past_run, row

HOSTILE = "<script>alert(1)</script>\"'><img src=http://x onerror=x>"


class Elements(HTMLParser):
    """The elements with their attributes, and the text."""

    def __init__(self, text: str):
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def named(self, *tags: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.elements if tag in tags]


class DrawnAlbum:
    """Every image is there; the first of each query's nearest is right, and one that no run has found."""

    def right(self, query: str) -> frozenset[str]:
        return frozenset({f"{query}-0", "never found"})

    def index(self, name: str) -> np.ndarray:  # noqa: ARG002
        return np.full((6, 8, 3), 90, np.uint8)

    query = index


@pytest.fixture
def answered(outcomes):
    tables = {"arcface-1": {"q1": 0.9, "q2": 0.1, "q3": 0.0}, "cosface-1": {"q1": 0.2, "q2": 0.8, "q3": 0.0}}
    return {run: outcomes(precisions) for run, precisions in tables.items()}


def test_with_one_seed_only_queries_are_drawn_again(study):
    assert "when queries and seeds are drawn again" in page(study, {})
    assert "when queries are drawn again" in page(replace(study, one_seed=True), {})


def test_the_answer_comes_first_and_everything_follows(study, answered):
    curve = {run.id: [(1, 0.1), (2, 0.3)] for each in study.rows for run in each.configuration.runs}
    made = page(study, answered, histories={METRIC: curve})
    seen = Elements(made)
    words = " ".join(seen.text.split())
    assert words.index(answer(study)) < words.index("Configurations")
    headings = [h.strip() for h in re.findall(r"<h2>(.*?)</h2>", made)]
    assert headings == [
        *("Configurations", "Differences", "Effects of settings", "Public against Private"),
        *("Private mAP@100 by epoch", "What changed sides", "Notes", "Settings that all share", "Runs"),
    ]
    for sentence in (
        "0.520",
        "[0.500, 0.540]",
        "± 0.010",
        "-0.021",
        "[-0.029, -0.013]",
        "0.001",
        "20/40",
        "50%",
        "A note.",
    ):
        assert sentence in words, sentence
    assert "python -m glr.train head=cosface seed=3" in words
    assert words.count("0123456789 ") == 9  # the commit of each run
    assert "40 Public queries and 100 Private queries" in words


def test_precision_and_recall_are_drawn_where_outcomes_hold_them(study, answered, outcomes):
    assert "Precision and recall" not in page(study, answered)
    held = outcomes({"q1": 0.9, "q2": None}, precisions=[list(np.linspace(1, 0.5, 11)), None])
    made = page(study, answered | {"arcface-1": held})
    assert "ArcFace 1.000 at 0, 0.750 at a half, 0.500 at all" in made


def test_an_interaction_is_a_small_table(study):
    given = study.interactions[0]
    other = replace(given, estimate=replace(given.estimate, value=0.01, low=0.0, high=0.02), given=("width", "16"))
    mirrored = replace(given, setting="width", values=("8", "16"), given=("head", "arcface"))
    words = " ".join(Elements(page(replace(study, interactions=[given, other, mirrored]), {})).text.split())
    assert "head by width" in words
    assert "width by head" not in words
    assert "+0.030[0.022, 0.038]" in words.replace(" [", "[")
    assert "+0.010[0.000, 0.020]" in words.replace(" [", "[")


def test_what_changed_sides_has_ids_without_an_album_and_marks_what_outcomes_tell(study, answered):
    made = page(study, answered)
    words = Elements(made).text
    assert "ArcFace answers better than CosFace: 1 query" in words
    assert "CosFace answers better than ArcFace: 1 query" in words
    assert "Both miss: 1 query" in words
    assert "The data set's images are not at hand here" in " ".join(words.split())
    assert not Elements(made).named("img")
    # q1: the first result is right for ArcFace (AP 0.9), the fifth for CosFace (0.2), which is sure of four wrong ones.
    labels = [each["aria-label"] for each in Elements(made).named("span") if "named" in (each.get("class") or "")]
    assert labels[1:11] == [
        *("rank 1, right: q1-0", *(f"rank {n}, unknown: q1-{n - 1}" for n in range(2, 6))),
        *(*(f"rank {n}, wrong: q1-{n - 1}" for n in range(1, 5)), "rank 5, right: q1-4"),
    ]


def test_pictures_of_both_top_fives_and_of_right_images_that_both_miss(study, answered):
    seen = Elements(page(study, answered, album=DrawnAlbum()))
    images = seen.named("img")
    assert len(images) == 3 * (1 + 5 + 5 + 1)
    assert all(each["src"].startswith("data:image/") for each in images)
    alts = [each["alt"] for each in images[:12]]
    assert alts[:3] == ["query q1", "rank 1, right: q1-0", "rank 2, wrong: q1-1"]
    assert alts[11] == "missed, right: never found"
    assert "Right images that both miss" in seen.text


def test_a_study_without_outcomes_says_so():
    words = " ".join(Elements(page(analysis(row("arcface", 0.5), row("cosface", 0.4), baseline=None), {})).text.split())
    assert "There are no two configurations with outcomes of the same queries" in words
    assert "Difference" not in words


def test_nothing_that_comes_from_a_store_is_markup(study, answered):
    hostile = row(HOSTILE, 0.4, index=4, difference=difference(-0.1))
    run = replace(past_run("x", 1, command=HOSTILE), name=HOSTILE, id="hostile")
    hostile = replace(hostile, configuration=replace(hostile.configuration, runs=(run,)))
    shared = {HOSTILE: HOSTILE}
    study = replace(study, study=HOSTILE, rows=[*study.rows, hostile], common=shared, notes=[HOSTILE])
    made = page(study, answered, links={"hostile": "javascript:alert(1)", "arcface-1": "https://host/#/runs/1"})
    seen = Elements(made)
    assert len(seen.named("script")) == 1
    assert not seen.named("img", "link", "iframe", "object")
    assert [each["href"] for each in seen.named("a")] == ["https://host/#/runs/1"]
    assert "alert(1)" in seen.text


def test_the_page_runs_its_own_script_only_and_fetches_nothing(study):
    made = page(study, {})
    script = re.search(r"<script>(.*)</script>", made, re.DOTALL)
    policy = next(each["content"] for each in Elements(made).named("meta") if "http-equiv" in each)
    assert script
    digest = base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()
    assert policy == f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    assert not re.search(r"@import|url\((?!#)|<link|src=\"?http", made)
    keys = [each.get("data-key") for each in Elements(made).named("td")]
    assert "0.52" in keys  # what the script sorts by


def test_captions_say_which_configurations_were_tested_and_chosen(study):
    untested = replace(difference(0.03), p=None, p_holm=None)
    of_another_kind = row("k_reciprocal", 0.55, seeds=1, index=1, difference=untested)
    evaluated = replace(of_another_kind, configuration=replace(of_another_kind.configuration, kind="evaluation"))
    whole = replace(study, rows=[*study.rows, evaluated])
    words = " ".join(Elements(page(whole, {})).text.split())
    assert "after Holm's adjustment for 2 comparisons. 1 difference has no p-value." in words
    assert "Chosen by Public among single models: ArcFace. Because it was chosen, its score there is too good" in words
    words = " ".join(Elements(page(study, {})).text.split())
    assert "for 2 comparisons." in words
    assert "no p-value" not in words
    assert "Chosen by Public: ArcFace." in words


def test_a_name_that_turns_the_text_around_becomes_an_escape(study):
    turning = replace(study.rows[0], configuration=replace(study.rows[0].configuration, labels={"head": "a\u202eb"}))
    made = page(replace(study, rows=[turning, *study.rows[1:]]), {})
    assert "\u202e" not in made
    words = " ".join(Elements(made).text.split())
    assert words.count("a\\u202eb") > 2


def test_runs_are_named_with_their_seed(study):
    words = " ".join(Elements(page(study, {})).text.split())
    assert "arcface seed=1 seed 1, finished" in words


@pytest.mark.filterwarnings("error")
def test_letters_that_matplotlib_lacks_are_drawn(study):
    named = replace(study.rows[1], configuration=replace(study.rows[1].configuration, labels={"head": "\u982d"}))
    assert "\u982d" in page(replace(study, rows=[study.rows[0], named]), {})

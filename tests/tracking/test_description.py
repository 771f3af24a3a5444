"""Descriptions: what a run's page says, and that no setting can write Markdown or HTML into it."""

import pytest

from glr.tracking.description import DESCRIBED, NOTE, RunDescription, escaped, may_write, of_study, of_sweep, written


def test_a_run_is_described_by_scores_settings_command_and_links():
    described = RunDescription({"head": "arcface", "seed": 1}, "python -m glr.train head=arcface seed=1", "f" * 32)
    scores = {
        "public/mp_at_10": 1.0,
        "public/gap": 0.5,
        "private/gap": 0.25,
        "public/map_at_100": 0.125,
        "validation/accuracy": 1.0,
    }
    assert described.text(scores, {"gallery": "gallery.html"}).splitlines() == [
        "| | Public | Private |",
        "|---|---|---|",
        r"| gap | 0.50000 | 0.25000 |",
        r"| map\_at\_100 | 0.12500 |  |",
        "",
        "| setting | value |",
        "|---|---|",
        "| head | arcface |",
        "| seed | 1 |",
        "",
        "```sh",
        "python -m glr.train head=arcface seed=1",
        "```",
        "",
        "[gallery](#/experiments/<experiment>/runs/<run>/artifacts/gallery.html) · "
        f"[sweep](#/experiments/<experiment>/runs/{'f' * 32}) · "
        "[all runs of the study](#/experiments/<experiment>/runs?workflowType=machine_learning&viewStateShareKey=glr)",
    ]
    assert r"| mp\_at\_10 |" in RunDescription().text({"mp_at_10": 0.5})  # of a task without the metrics compared
    assert "All settings have their defaults." in RunDescription().text()
    assert "| all queries |" in RunDescription().text({"gap": 0.5})


def test_a_sweep_is_described_by_its_jobs():
    outcome = {"jobs_finished": 3.0, "jobs_failed": 1.0, "best_score": 0.5}
    first, jobs, *rest = of_sweep("python -m glr.train -m", outcome).split("\n\n")
    assert first == "3 jobs finished, 1 failed; best score **0.50000**"
    assert jobs == "[all jobs](#/experiments/<experiment>/runs/<run>/artifacts/jobs.csv)"
    assert of_sweep("python -m glr.train -m").split("\n\n") == rest
    assert "best" not in of_sweep("x", {"jobs_finished": 0, "jobs_failed": 1})


def test_a_study_is_described_by_its_best_run():
    text = of_study("heads", "python -m glr.train -m", ("e" * 32, "arcface seed=1", 0.5))
    assert text.startswith(f"Best score: **0.50000**, by [arcface seed=1](#/experiments/<experiment>/runs/{'e' * 32})")
    assert "python -m glr.compare study=heads output=-" in text
    assert "python -m glr.compare 'study=a b' output=-" in of_study("a b", "python -m glr.train -m", None)
    assert "Best score" not in of_study("heads", "python -m glr.train -m", None)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<img src=x onerror=alert(1)>", r"&lt;img src=x onerror=alert\(1\)&gt;"),
        ("[x](javascript:alert(1))", r"\[x\]\(javascript&#58;alert\(1\)\)"),
        ("gs://b @c", "gs&#58;//b &#64;c"),
        ("a|b\n# c", r"a\|b \# c"),
        ("<run> *`_\\", r"&lt;run&gt; \*\`\_\\"),
    ],
)
def test_text_shows_as_it_is(text: str, shown: str):
    assert escaped(text) == shown


def test_a_command_stays_inside_its_block():
    lines = RunDescription({}, "python -m glr.train name='```\n# x ````'").text().splitlines()
    assert lines[2:5] == ["`````sh", "python -m glr.train name='``` # x ````'", "`````"]


def test_what_a_user_wrote_stays():
    tags = written("of <run> in <experiment>", "7", "abc")
    assert tags[NOTE] == "of abc in 7"
    assert may_write({})
    assert may_write(tags)
    assert not may_write({NOTE: "mine"})
    assert not may_write(tags | {NOTE: "mine"})
    assert not may_write({NOTE: "", DESCRIBED: tags[DESCRIBED]})  # a user has deleted it

"""The tables of a study's page."""

from dataclasses import replace

from glr.report.study.table import all_metrics, main_table
from tests.report.study.conftest import analysis, row


def test_the_kind_has_a_column_where_single_models_and_ensembles_are_numbered_from_one():
    single, other = row("arcface", 0.5), row("cosface", 0.4, index=2)
    joint = replace(single, configuration=replace(single.configuration, kind="ensemble", labels={"members": "a + b"}))
    both = analysis(single, joint)
    for table in (main_table(both), all_metrics(both)):
        assert list(table.columns[:4]) == ["#", "Kind", "Head", "Members"]
        assert [[cell.text for cell in cells[:4]] for cells in table.rows] == [
            ["1", "single model", "ArcFace", ""],
            ["1", "ensemble", "", "a + b"],
        ]
    assert list(main_table(analysis(single, other)).columns[:3]) == ["#", "Head", "Seeds"]

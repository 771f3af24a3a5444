"""Which tables there are, and what stands in their cells."""

from dataclasses import replace

from glr.compare.table import Cell, Table, tables
from glr.tracking.rows import ensembles, single_models


def texts(cell: Cell) -> list[str]:
    return ["".join(span.text for span in line) for line in cell.lines]


def bold(cell: Cell) -> list[str]:
    return [span.text for line in cell.lines for span in line if span.bold]


def column(table: Table, name: str) -> list[Cell]:
    return [row[table.columns.index(name)] for row in table.rows]


def test_a_table_for_all_one_for_ensembles_and_one_for_each_backbone(past):
    singles = [past("a", 0.1, 0.1, backbone__label=name) for name in ("B", "C", "A", "C")]
    joint = past("both", 0.3, 0.2, kind="ensemble", members=f'["{singles[1].id}", "{singles[3].id}"]')
    rows = single_models(singles, None)
    made = tables(rows, ensembles([*singles, joint], rows, None), decimals=5, backbones=["A", "X"])
    assert [table.title for table in made] == ["Single Model", "Ensemble Model", "A", "B", "C"]
    assert [len(table.rows) for table in made] == [4, 1, 1, 1, 2]
    assert texts(column(made[1], "Model")[0]) == ["(2)+(4)"]
    assert [table.title for table in tables(rows, [], decimals=5, backbones=[])] == ["Single Model", "B", "C", "A"]


def test_scores_are_rounded_and_in_a_backbones_table_cut(past):
    runs = [past("a", 0.279996, 0.5), past("b", status="FAILED"), past("c")]
    single, own = tables(single_models(runs, None), [], decimals=5, backbones=[])
    assert [texts(cell) for cell in column(single, "Public Score")] == [["0.28000"], ["X"], [""]]
    assert [texts(cell) for cell in column(own, "Accuracy")] == [["0.279"], ["X"], [""]]
    assert [cell.struck for cell in column(single, "Model")] == [False, True, False]


def test_a_continuation_stands_behind_what_it_continues(past):
    runs = [past("first", 0.25, 0.125, index=6), past("then", 0.5, 0.375, index=6, init_from="first")]
    single, own = tables(single_models(runs, None), [], decimals=3, backbones=[])
    assert texts(column(single, "Public Score")[0]) == ["0.250", "after fine-tune:0.500"]
    assert texts(column(single, "Private Score")[0]) == ["0.125/0.375"]
    assert texts(column(own, "Accuracy")[0]) == ["0.250", "after fine-tune:0.500"]


def test_the_backbone_is_bold_once_in_its_own_table(past):
    rows = single_models([past("a", 0.1, 0.1), past("b", 0.1, 0.1)], None)
    rows = [replace(row, highlights=frozenset({"backbone", "epochs"})) for row in rows]
    single, own = tables(rows, [], decimals=5, backbones=[])
    assert [bold(cell) for cell in column(single, "Model")] == [["Xception"]] * 2
    assert [bold(cell) for cell in column(own, "Model")] == [["Xception"], []]
    assert [bold(cell) for cell in column(own, "Setting")] == [["Epochs = 20"]] * 2


def test_scores_of_undivided_sets_have_a_column_of_their_own(past):
    plain = replace(past("a"), metrics={"score": 0.5, "map_at_100": 0.25})
    single, own = tables(single_models([plain], None), [], decimals=5, backbones=[])
    assert single.columns == ("Index", "Model", "Setting", "Score")
    assert texts(column(single, "Score")[0]) == ["0.50000"]
    assert texts(column(own, "Accuracy")[0]) == ["0.500"]
    assert single_models([plain], "map_at_100")[0].best == 0.25
    both = tables(single_models([plain, past("b", 0.3, 0.2)], None), [], decimals=5, backbones=[])[0]
    assert both.columns[3:] == ("Public Score", "Private Score", "Score")
    assert [texts(cell) for cell in column(both, "Public Score")] == [[""], ["0.30000"]]

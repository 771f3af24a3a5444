"""Which queries change sides between two runs, and which both miss."""

from glr.report.study.sides import sides

METRIC = "private/map_at_100"


def test_queries_are_ordered_by_how_much_they_differ(outcomes):
    first = outcomes({"a": 0.9, "b": 0.5, "c": 0.2, "d": 0.1, "e": 0.4, "only": 1.0})
    second = outcomes({"e": 0.4, "d": 0.8, "c": 0.3, "b": 0.1, "a": 0.2, "other": 1.0})
    compared = sides(first, second, METRIC)
    assert [[query.id for query in queries] for queries in (compared.won, compared.lost)] == [["a", "b"], ["d", "c"]]
    assert compared.won[0].answers[0].value == 0.9
    assert compared.won[0].answers[1].value == 0.2
    assert compared.won[0].answers[0].nearest == ["a-0", "a-1", "a-2", "a-3", "a-4"]
    assert compared.counts == (2, 2, 0)


def test_each_limits_what_is_shown_and_equal_differences_are_in_order_of_id(outcomes):
    first, second = outcomes({"c": 1.0, "b": 1.0, "a": 1.0}), outcomes({"a": 0.5, "b": 0.5, "c": 0.5})
    compared = sides(first, second, METRIC, each=2)
    assert [query.id for query in compared.won] == ["a", "b"]
    assert compared.counts == (3, 0, 0)


def test_a_query_is_missed_if_both_top_fives_hold_nothing_right(outcomes):
    precisions = {"five": 0.2, "six": 1 / 6, "none": 0.0, "unmeasured": None}
    compared = sides(outcomes(precisions), outcomes(precisions), METRIC)
    assert [query.id for query in compared.missed] == ["none", "six"]
    assert compared.counts == (0, 0, 2)


def test_recognition_compares_classes_and_counts_only_queries_that_show_a_landmark(outcomes):
    def run(right: list[bool], confidence: list[float]):
        ids = dict.fromkeys(["a", "b", "c", "d", "empty"])
        shown = [True, True, True, True, False]
        return outcomes(ids, right=[*right, False], shown=shown, confidence=confidence, **{"class": list("vwxyz")})

    first = run([True, True, False, False], [0.5, 0.9, 0.3, 0.2, 0.9])
    second = run([False, False, True, False], [0.1, 0.2, 0.4, 0.1, 0.9])
    compared = sides(first, second, "private/gap")
    assert [query.id for query in compared.won] == ["b", "a"]
    assert [query.id for query in compared.lost] == ["c"]
    assert [query.id for query in compared.missed] == ["d"]
    assert (compared.won[0].answers[0].predicted, compared.won[0].answers[0].confidence) == ("w", 0.9)
    assert compared.recognition


def test_other_usages_are_left_out(outcomes):
    compared = sides(outcomes({"a": 1.0}, "Public"), outcomes({"a": 0.5}, "Public"), METRIC)
    assert compared.counts == (0, 0, 0)
    assert sides(outcomes({"a": 1.0}, ""), outcomes({"a": 0.5}, ""), "map_at_100").counts == (1, 0, 0)

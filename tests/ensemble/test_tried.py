"""What a search tried is listed best first, and written in full."""

import csv
import io

from glr.ensemble.combining import Choice
from glr.ensemble.tried import as_csv, listing

TRIED = [Choice((2, 0), (1.0, 2.0), 0.5), Choice((1,), (1.0,), 1 / 3), Choice((0, 1), (1.0, 1.0), 0.25)]


def test_the_listing_names_members_and_unequal_weights():
    assert listing(TRIED, ["a", "b; x", "c"], "public/gap", most=3).splitlines() == [
        "3 combinations of 3 runs tried; the best by public/gap:",
        "  0.50000  1 x c + 2 x a",
        "  0.33333  b; x",
        "  0.25000  a + b; x",
    ]
    assert len(listing(TRIED, ["a", "b", "c"], "public/gap", most=1).splitlines()) == 2


def test_the_csv_holds_every_choice_in_full():
    rows = list(csv.DictReader(io.StringIO(as_csv(TRIED, ["a", "b, x", "c"], "public/gap"))))
    assert [float(row["public/gap"]) for row in rows] == [choice.score for choice in TRIED]
    assert [(row["members"], row["weights"]) for row in rows] == [("c; a", "1; 2"), ("b, x", "1"), ("a; b, x", "1; 1")]

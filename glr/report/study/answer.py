"""A study's answer in one sentence: which configuration is better, by how much, and how sure that is."""

from collections.abc import Sequence

from glr.config.printing import counted
from glr.report.study.analysis import Analysis, Difference, Row
from glr.report.study.words import decimals, interval, lowest_is_best, metric_words, plain

LEVEL = 0.05  # a p-value below it, after Holm, shows a difference
_NAMED = 3  # configurations whose names a sentence lists


def answer(analysis: Analysis) -> str:
    """Return a study's answer as a sentence.

    It calls a configuration "better" only if both configurations have several seeds and p < 0.05 after Holm. Otherwise
    it gives the difference, and says whether the interval speaks of configurations or of single trained models.
    """
    scored = ranked(analysis)
    if not scored:
        return f"No configuration of {analysis.study} has a {metric_words(analysis.metric)} yet."
    if len(scored) == 1:
        return _single(analysis, scored[0])
    compared = [row for row in scored if row is analysis.baseline_row or row.difference is not None]
    if len(compared) < 2:
        return _unsure(analysis, scored[0], scored[1])
    return _leading(analysis, *rivals(analysis))


def ranked(analysis: Analysis) -> list[Row]:
    """Return the rows that have the analysis's metric, the best first."""
    sign = 1 if lowest_is_best(analysis.metric) else -1
    rows = [row for row in analysis.rows if analysis.metric in row.scores]
    return sorted(rows, key=lambda row: sign * row.scores[analysis.metric].value)


def rivals(analysis: Analysis) -> tuple[Row, Row]:
    """Return the best configuration, and its rival: the baseline, or the second best if the best is the baseline.

    The analysis must have two configurations that can be compared.
    """
    baseline = analysis.baseline_row
    first, second, *_ = [row for row in ranked(analysis) if row is baseline or row.difference is not None]
    return (first, second) if first is baseline or baseline is None else (first, baseline)


def is_shown(difference: Difference) -> bool:
    """Return True if a difference is shown not to be 0; without a p-value it is not."""
    return difference.p_holm is not None and difference.p_holm < LEVEL


def turned(difference: Difference) -> Difference:
    """Return the baseline's score minus the configuration's."""
    value, low, high = -difference.value, -difference.high, -difference.low
    return Difference(value, low, high, difference.p, difference.p_holm, difference.losses, difference.wins)


def _single(analysis: Analysis, row: Row) -> str:
    score = row.scores[analysis.metric]
    ends = None if score.low is None or score.high is None else (score.low, score.high)
    places = decimals(analysis.metric, ends[1] - ends[0] if ends else 0.0)
    within = f" {interval(*ends, places)}" if ends else ""
    value = f"{metric_words(analysis.metric)} {plain(score.value, places)}{within}"
    return f"{row.configuration.name} has {value}, {_seeds([row])}; there is no other configuration to compare it with."


def _unsure(analysis: Analysis, first: Row, second: Row) -> str:
    values = [plain(row.scores[analysis.metric].value, decimals(analysis.metric)) for row in (first, second)]
    names = [row.configuration.name for row in (first, second)]
    return (
        f"No configuration is shown to be the best: {names[0]} has {metric_words(analysis.metric)} {values[0]} and "
        f"{names[1]} {values[1]}, without the outcomes of queries that an interval needs."
    )


def _leading(analysis: Analysis, first: Row, second: Row) -> str:
    lead = _lead(analysis, first, second)
    places = decimals(analysis.metric, lead.high - lead.low)
    metric = metric_words(analysis.metric)
    amount = f"{plain(lead.value, places)} {metric} {interval(lead.low, lead.high, places)}"
    one, other = first.configuration.name, second.configuration.name
    few = min(len(row.configuration.finished) for row in (first, second)) < 2
    if is_shown(lead) and not few:
        return f"{one} is better than {other} by {amount}, {_seeds([first, second])}."
    known = f"{one} leads {other} by {amount}" if lead.value else f"the difference of {one} from {other} is {amount}"
    known = f"No configuration is shown to be the best: {known}"
    if not few:
        return f"{known}, {_seeds([first, second])}.{_beaten(analysis, first)}"
    if analysis.one_seed:
        return f"{known} on these queries; {_seeds([first, second])}, so this speaks of these trained models only."
    return f"{known}, {_seeds([first, second])}; one seed does not show that a configuration is better."


def _beaten(analysis: Analysis, first: Row) -> str:
    """Say which configurations the best one is better than, if it is the baseline."""
    if first is not analysis.baseline_row:
        return ""
    others = [row.configuration for row in ranked(analysis) if row.difference is not None and is_shown(row.difference)]
    names = [own.name for own in others if len(own.finished) > 1]
    listed = " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))
    return f" It is better than {listed if len(names) <= _NAMED else f'{len(names)} others'}." if names else ""


def _lead(analysis: Analysis, first: Row, second: Row) -> Difference:
    """Return by how much the first row is better than the second; one of them is the baseline."""
    lowest = lowest_is_best(analysis.metric)
    if second.difference is not None:
        return second.difference if lowest else turned(second.difference)
    assert first.difference is not None
    return turned(first.difference) if lowest else first.difference


def _seeds(rows: Sequence[Row]) -> str:
    """Return the number of seeds: `2 seeds each`, or `3 seeds and one seed`."""
    numbers = [len(row.configuration.finished) for row in rows]
    texts = ["one seed" if number == 1 else counted(number, "seed") for number in numbers]
    if len(texts) > 1 and len(set(numbers)) == 1:
        return f"{texts[0]} each"
    return " and ".join(texts)

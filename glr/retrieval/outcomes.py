"""Each query's own outcome: the values that the metrics are means or rankings of, as a Parquet file.

Statistics of a study need them: two models that answer the same queries are compared query by query.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from glr.config.usages import USAGES, metric_name
from glr.errors import GlrError
from glr.retrieval.metrics import RECOGNITION_METRICS
from glr.statistics.estimators import Estimator, Floats, GlobalAveragePrecision, Mean, Median

FILE = "outcomes.parquet"
RECALL_STEPS = 10  # from 0 to 1, at which precision is kept
NEAREST = 5  # index images kept of each query
MEASURED = ("id", "usage", "ap", "p_at_10", "first_rank", "confidence", "right", "shown")  # columns of the metrics
_WORDS = ["id", "usage", "class", "nearest.list.element"]
_MOST = 1_000_000_000  # values, and bytes of text, of a file that is read
_MISSED = 101  # the rank of the first relevant image if it is not among the first 100
_ROUNDING = 1e-12  # means of several runs that differ by less are equal

SCHEMA = pa.schema(
    {
        "id": pa.string(),
        "usage": pa.string(),  # Public, Private or empty; easy, medium or hard of revisited Oxford and Paris
        "relevant": pa.int32(),  # number of relevant index images; null if retrieval is not scored
        "ap": pa.float64(),  # average precision, at 100 for landmarks; null without a relevant image
        "p_at_10": pa.float64(),
        "precisions": pa.list_(pa.float32()),  # interpolated precision at recall 0, 0.1, ..., 1; null like ap
        "first_rank": pa.int32(),  # rank, from 1, of the first relevant image; null if it is not among the ranks
        "nearest": pa.list_(pa.string()),
        "similarities": pa.list_(pa.float32()),
        "class": pa.string(),  # the predicted class; null if recognition is not scored
        "confidence": pa.float64(),
        "right": pa.bool_(),  # the image shows this class
        "shown": pa.bool_(),  # the image shows any landmark
    }
)


def outcome_table(rows: Mapping[str, Sequence[object] | np.ndarray]) -> pa.Table:
    """Make a table of `SCHEMA` of columns of equal length; columns that are not given are null."""
    length = len(rows["id"])
    return pa.table({name: rows.get(name, [None] * length) for name in SCHEMA.names}, schema=SCHEMA)


def nearest(index_ids: Sequence[str], positions: np.ndarray, scores: np.ndarray) -> dict[str, pa.Array]:
    """Return the columns `nearest` and `similarities` of rankings.

    Args:
        index_ids: ids of the N index images.
        positions: int64 [Q, k], positions in the index, best first.
        scores: float32 [Q, k], similarities.
    """
    kept = min(NEAREST, positions.shape[1])
    ends = np.arange(0, len(positions) * kept + 1, max(kept, 1), dtype=np.int32)[: len(positions) + 1]
    names = pa.array(index_ids, pa.string()).take(pa.array(positions[:, :kept].ravel()))
    values = pa.array(np.ascontiguousarray(scores[:, :kept], np.float32).ravel())
    return {
        "nearest": pa.ListArray.from_arrays(ends, names),
        "similarities": pa.ListArray.from_arrays(ends, values),
    }


def save(table: pa.Table, folder: Path, settings: Mapping[str, object]) -> Path:
    """Write outcomes and the settings of their evaluation to `outcomes.parquet`; return the file."""
    described = table.replace_schema_metadata({"settings": json.dumps(dict(settings), sort_keys=True)})
    pq.write_table(described, folder / FILE, compression="zstd", write_page_checksum=True)
    return folder / FILE


def load(file: Path, columns: Sequence[str] = tuple(SCHEMA.names)) -> tuple[pa.Table, dict[str, object]]:
    """Read outcomes and the settings of their evaluation.

    Args:
        file: written by `save`.
        columns: the columns to read.

    Raises:
        GlrError: the file is damaged, lacks a column, holds more than a solution can, or names a query twice.
    """
    schema = pa.schema([SCHEMA.field(name) for name in columns])
    try:
        # Words that repeat are read once, so that a small file cannot fill the memory before `_check` sees it.
        with pq.ParquetFile(file, read_dictionary=_WORDS, page_checksum_verification=True) as opened:
            groups = [opened.metadata.row_group(number) for number in range(opened.metadata.num_row_groups)]
            if sum(group.column(n).num_values for group in groups for n in range(group.num_columns)) > _MOST:
                raise ValueError(f"more than {_MOST:,} values")
            table = opened.read(list(columns)).select(columns)
            settings = json.loads((opened.schema_arrow.metadata or {})[b"settings"])
        if sum(map(_letters, table.columns)) > _MOST:
            raise ValueError(f"more than {_MOST:,} bytes of text")
        table = table.cast(schema)
        table.validate(full=True)
        _check_queries(table)
    except (pa.ArrowException, KeyError, ValueError, OSError) as error:
        why = (str(error).splitlines() or [""])[0]
        raise GlrError(f"{file} cannot be read as the outcomes of queries ({why})") from error
    return table, settings


def by_usage(table: pa.Table) -> dict[str, pa.Table]:
    """Return the rows of each usage, in the order of the table."""
    return {usage: table.filter(pc.equal(table["usage"], usage)) for usage in table["usage"].unique().to_pylist()}


def query_values(rows: pa.Table) -> dict[str, Floats]:
    """Return each query's own value of each metric that its usage has; see `glr.retrieval.metrics`.

    A metric is the mean of its values (`median_position`: the median), except `gap`, whose values tell only whether the
    class is right: 1 or 0.

    Args:
        rows: N outcomes of one usage, with the columns `MEASURED`.

    Returns:
        [N] values by name of the metric; NaN marks a query that the metric leaves out.
    """
    values: dict[str, Floats] = {}
    usage = rows["usage"][0].as_py() if len(rows) else ""
    precisions = floats(rows, "ap")
    if (measured := ~np.isnan(precisions)).any():
        values |= {"map_at_100" if usage in USAGES else "map": precisions, "mp_at_10": floats(rows, "p_at_10")}
    if measured.any() and usage in USAGES:  # at a level of revisited Oxford and Paris, no image is missed
        first = floats(rows, "first_rank")
        first = np.where(measured, np.where(np.isnan(first), _MISSED, first), np.nan)
        values |= {f"recall_at_{k}": np.where(measured, first <= k, np.nan) for k in (1, 5, 10)}
        values |= {"mean_position": first, "median_position": first}
    right, shown = floats(rows, "right"), floats(rows, "shown")
    if (shown == 1).any():
        values |= {"gap": right, "top1_accuracy": np.where(shown == 1, right, np.nan)}
    return values


def estimators(table: pa.Table) -> dict[str, dict[str, Estimator]]:
    """Return the estimators of each usage's metrics, over the usage's queries in the order of the table.

    Args:
        table: outcomes with the columns `MEASURED`.
    """
    return {usage: _estimators(rows) for usage, rows in by_usage(table).items()}


def scores(table: pa.Table) -> dict[str, float]:
    """Return the metrics of the table's queries: `public/map_at_100`, `gap`, `easy/map`, ...; see `estimators`."""
    return {
        metric_name(usage, name): float(estimator(np.ones((1, len(rows)), np.uint8))[0])
        for usage, rows in by_usage(table).items()
        for name, estimator in _estimators(rows).items()
    }


def wins(ours: Sequence[pa.Table], theirs: Sequence[pa.Table], usage: str, metric: str) -> tuple[int, int]:
    """Count the queries that our runs answer better than their runs, and those that they answer worse.

    A query is compared by the mean over the runs of its average precision; for `gap` and `top1_accuracy`, by how many
    of the runs name a right class.

    Args:
        ours: outcomes of at least one run.
        theirs: outcomes of other runs on the same queries, in the same order.
        usage: Public, Private or empty; easy, medium or hard.
        metric: name of a metric without its usage.
    """
    name = metric if metric in RECOGNITION_METRICS else "map_at_100" if usage in USAGES else "map"
    sides = [
        np.mean([query_values(table.filter(pc.equal(table["usage"], usage)))[name] for table in side], axis=0)
        for side in (ours, theirs)
    ]
    ahead = sides[0] - sides[1]  # NaN of a query that the metric leaves out is neither
    return int(np.count_nonzero(ahead > _ROUNDING)), int(np.count_nonzero(ahead < -_ROUNDING))


def _estimators(rows: pa.Table) -> dict[str, Estimator]:
    made: dict[str, Estimator] = {}
    for name, values in query_values(rows).items():
        if name == "gap":
            confidence = np.where(np.isnan(values), np.nan, floats(rows, "confidence"))
            order = _order_of_equals(rows["id"], confidence)
            made[name] = GlobalAveragePrecision(order, confidence, values == 1, floats(rows, "shown") == 1)
        else:
            made[name] = (Median if name == "median_position" else Mean)(values)
    return made


def _order_of_equals(ids: pa.ChunkedArray, confidence: Floats) -> np.ndarray:
    """Return numbers [N] that order queries of equal confidence as their ids do; sorting all ids takes long."""
    _, places, counts = np.unique(confidence, return_inverse=True, return_counts=True)
    equal = np.flatnonzero(counts[places] > 1)
    order = np.zeros(len(ids), np.int64)
    order[equal] = pc.rank(ids.take(pa.array(equal)), tiebreaker="dense").to_numpy()
    return order


def floats(rows: pa.Table, column: str) -> Floats:
    """Return a column [N]; NaN where it is null."""
    return rows[column].cast(pa.float64()).to_numpy()


def _letters(column: pa.ChunkedArray) -> int:
    """Return the bytes of a column's text, whose words are stored once."""
    size = 0
    for chunk in column.chunks:
        words = chunk.flatten() if pa.types.is_list(chunk.type) else chunk
        if pa.types.is_dictionary(words.type):
            size += pc.sum(pc.binary_length(words.dictionary).take(words.indices)).as_py() or 0
    return size


def _check_queries(table: pa.Table) -> None:
    """Raise ValueError unless each row has a query and a usage of its own."""
    key = [name for name in ("id", "usage") if name in table.column_names]
    if any(table[name].null_count for name in key):
        raise ValueError("a row without a query or a usage")
    several = len(key) == 2 and pc.count_distinct(table["id"]).as_py() < len(table)
    if several and table.group_by(key).aggregate([]).num_rows < len(table):
        raise ValueError("a query that stands in two rows of one usage")

"""Each query's own outcome: the values that the metrics are means or rankings of, as a Parquet file.

Statistics of a study need them: two models that answer the same queries are compared query by query.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from glr.errors import GlrError

FILE = "outcomes.parquet"
NEAREST = 5  # index images kept of each query

SCHEMA = pa.schema(
    {
        "id": pa.string(),
        "usage": pa.string(),  # Public, Private or empty; easy, medium or hard of revisited Oxford and Paris
        "relevant": pa.int32(),  # number of relevant index images; null if retrieval is not scored
        "ap": pa.float64(),  # average precision, at 100 for landmarks; null without a relevant image
        "p_at_10": pa.float64(),
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
    pq.write_table(described, folder / FILE, compression="zstd")
    return folder / FILE


def load(file: Path) -> tuple[pa.Table, dict[str, object]]:
    """Read outcomes and the settings of their evaluation.

    Raises:
        GlrError: the file is damaged, or lacks a column.
    """
    try:
        table = pq.read_table(file)
        settings = json.loads((table.schema.metadata or {})[b"settings"])
        return table.select(SCHEMA.names).cast(SCHEMA), settings
    except (pa.ArrowException, KeyError, ValueError, OSError) as error:
        raise GlrError(f"{file} cannot be read as the outcomes of queries ({error})") from error

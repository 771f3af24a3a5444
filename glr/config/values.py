"""The words that a setting can take, where there are only a few."""

from enum import Enum


class Normalization(Enum):
    """How to scale uint8 pixels for the network: to 0..1, to -1..1, or by ImageNet's mean and standard deviation."""

    zero_one = "zero_one"
    minus_one_one = "minus_one_one"
    imagenet = "imagenet"


class Precision(Enum):
    """Keras's mixed-precision policies; heads and descriptors are float32 in each."""

    float32 = "float32"
    mixed_bfloat16 = "mixed_bfloat16"
    mixed_float16 = "mixed_float16"


class BatchNorm(Enum):
    """The statistics of BatchNorm in training: those of each replica's share, or of the global batch."""

    per_replica = "per_replica"
    synchronised = "synchronised"


class Score(Enum):
    """The metrics that can be a run's score; higher is better."""

    gap = "gap"
    map_at_100 = "map_at_100"
    mp_at_10 = "mp_at_10"
    recall_at_1 = "recall_at_1"
    recall_at_5 = "recall_at_5"
    recall_at_10 = "recall_at_10"
    top1_accuracy = "top1_accuracy"


class Rerun(Enum):
    """Which of a sweep's ended jobs to run again."""

    failed = "failed"
    all = "all"
    none = "none"


class StoreState(Enum):
    """A change of a local MLflow store's place."""

    moved = "moved"


class StoredType(Enum):
    """Number type of stored descriptors."""

    float32 = "float32"
    float16 = "float16"


class StoredWeights(Enum):
    """The weights that a run stores: those of its last epoch, and those of its best epoch on Public."""

    last = "last"
    best = "best"


class EnsembleMethod(Enum):
    """How to search for the best ensemble."""

    greedy = "greedy"
    exhaustive = "exhaustive"


class OnNan(Enum):
    """What training does when a loss or a gradient is not finite."""

    stop = "stop"
    skip_batch = "skip_batch"


class Resume(Enum):
    """Continue an interrupted run of the same command, or start anew."""

    auto = "auto"
    never = "never"


class OnBadImage(Enum):
    """What `prepare` does with an image that it cannot decode."""

    error = "error"
    skip = "skip"


class CheckImages(Enum):
    """How `prepare` checks that a JPEG can be decoded."""

    decode = "decode"
    header = "header"


class TaskName(Enum):
    """What answers a query: a ranking of index images, or a landmark."""

    retrieval = "retrieval"
    recognition = "recognition"


class RunPart(Enum):
    """The parts of a run that tables print and that a row can highlight."""

    backbone = "backbone"
    pooling = "pooling"
    head = "head"
    regularization = "regularization"
    batch_size = "batch_size"
    epochs = "epochs"
    normalization = "normalization"
    image_size = "image_size"
    embedding_size = "embedding_size"
    optimizer = "optimizer"
    schedule = "schedule"


class RowOrder(Enum):
    """How to sort the rows of a table."""

    index = "index"
    score = "score"


class Format(Enum):
    """File formats of tables."""

    markdown = "markdown"
    csv = "csv"
    json = "json"
    html = "html"


# The TPUs that preflight compiles for; glr.preflight.topology knows their chips.
TopologyName = Enum(
    "TopologyName",
    {
        "v2-8": "v2-8",
        "v3-8": "v3-8",
        "v4-8": "v4-8",
        "v5e-8": "v5e-8",
        "v5p-8": "v5p-8",
        "v6e-8": "v6e-8",
    },
)

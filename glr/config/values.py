"""What the settings of the commands may be, where it is one of a few words."""

from enum import Enum


class Normalization(Enum):
    """How uint8 pixels become the network's input: 0..1, -1..1, or ImageNet's mean and spread."""

    zero_one = "zero_one"
    minus_one_one = "minus_one_one"
    imagenet = "imagenet"


class Precision(Enum):
    """Keras's mixed-precision policies; heads and descriptors are float32 in each."""

    float32 = "float32"
    mixed_bfloat16 = "mixed_bfloat16"
    mixed_float16 = "mixed_float16"


class BatchNorm(Enum):
    """What a BatchNorm layer normalises with in training: the statistics of each replica's share, or of the batch."""

    per_replica = "per_replica"
    synchronised = "synchronised"


class Score(Enum):
    """The metrics that can stand for a run (higher is better)."""

    gap = "gap"
    map_at_100 = "map_at_100"
    mp_at_10 = "mp_at_10"
    recall_at_1 = "recall_at_1"
    recall_at_5 = "recall_at_5"
    recall_at_10 = "recall_at_10"
    top1_accuracy = "top1_accuracy"


class Rerun(Enum):
    """Which of a sweep's jobs that have ended before run again."""

    failed = "failed"
    all = "all"
    none = "none"


class StoredType(Enum):
    """What descriptors are stored as."""

    float32 = "float32"
    float16 = "float16"


class Checkpoint(Enum):
    """The weights that a run stored: of its last epoch, or of the one that was best on Public."""

    last = "last"
    best = "best"


class Search(Enum):
    """How the best ensemble is sought."""

    greedy = "greedy"
    exhaustive = "exhaustive"


class OnNan(Enum):
    """What a loss or a gradient that is not finite does to a training."""

    stop = "stop"
    skip_batch = "skip_batch"


class Resume(Enum):
    """What becomes of what an interrupted run of the same command has left."""

    auto = "auto"
    never = "never"


class OnBadImage(Enum):
    """What `prepare` does with an image that cannot be decoded."""

    error = "error"
    skip = "skip"


class CheckImages(Enum):
    """How `prepare` makes sure that a JPEG can be decoded."""

    decode = "decode"
    header = "header"


class Task(Enum):
    """What a query is answered with: a ranking of index images, or its landmark."""

    retrieval = "retrieval"
    recognition = "recognition"


class Part(Enum):
    """The parts of a run that tables print, and that a row can highlight."""

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


class Order(Enum):
    """How the rows of a table are sorted."""

    index = "index"
    score = "score"


class Format(Enum):
    """What tables can be written as."""

    markdown = "markdown"
    csv = "csv"
    json = "json"
    html = "html"


# The TPUs that preflight compiles for; glr.preflight.topology knows their chips.
Topology = Enum(
    "Topology",
    {
        "v2-8": "v2-8",
        "v3-8": "v3-8",
        "v4-8": "v4-8",
        "v5e-8": "v5e-8",
        "v5p-8": "v5p-8",
        "v6e-8": "v6e-8",
    },
)

"""The types of every setting that is not a component's argument: a wrong key, type or choice fails at composition."""

from dataclasses import dataclass, field, fields, make_dataclass
from math import inf
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING

from glr.config.values import (
    BatchNorm,
    CheckImages,
    Checkpoint,
    Format,
    Normalization,
    OnBadImage,
    OnNan,
    Order,
    Part,
    Precision,
    Rerun,
    Resume,
    Score,
    Search,
    StoredType,
    Task,
    Topology,
)


@dataclass
class Data:
    """A data set: where its shards lie, how they are read, and the source that `prepare` makes them from."""

    label: str = MISSING
    path: str = MISSING
    prepare_when_missing: bool = False
    image_size: int = MISSING
    normalization: Normalization = MISSING
    shuffle_buffer: int = MISSING
    parallelism: int = MISSING
    cache_dir: str | None = None
    validation_share: float = MISSING
    max_side: int | None = None
    train_on_validation: bool = MISSING
    source: Any = MISSING


@dataclass
class Tracking:
    """The MLflow store."""

    uri: str = MISSING
    artifacts: str | None = None
    journal: str = MISSING
    patience: float = MISSING


@dataclass
class Model:
    """What stands between backbone and head."""

    embedding_size: int = MISSING
    batchnorm_momentum: float = MISSING
    batchnorm: BatchNorm = BatchNorm.per_replica


@dataclass
class Training:
    """How long, how large a batch, how precise."""

    epochs: int = MISSING
    batch_size: int = MISSING
    precision: Precision = Precision.float32
    steps_per_execution: int = MISSING
    on_nan: OnNan = OnNan.stop
    max_skipped_batches: int = MISSING


@dataclass
class Checkpointing:
    """Where and how often a training is saved, to go on after an interruption."""

    path: str = MISSING
    minutes: float | None = None
    steps: int | None = None
    epochs: int | None = None
    keep: int = MISSING


@dataclass
class Gap:
    """How a query is classified from its neighbours."""

    neighbors: int = 1


@dataclass
class Evaluation:
    """When to evaluate, and what counts."""

    every: int | None = None
    untrained: bool = False
    batch_size: int = MISSING
    score: Score = Score.gap
    gap: Gap = field(default_factory=Gap)
    keep_descriptors: bool = True
    descriptors: StoredType = StoredType.float32
    memory: float = MISSING
    gallery: int = MISSING


@dataclass
class Jobs:
    """How the jobs of -m are run."""

    jobs: int = MISSING
    minutes: float | None = None
    retries: int = MISSING
    backoff: float = MISSING
    trial: str | None = None


@dataclass
class Sweep(Jobs):
    """The same, and which of them."""

    name: str | None = None
    rerun: Rerun = Rerun.failed


@dataclass
class Train:
    """conf/train.yaml."""

    backbone: Any = MISSING
    pooling: Any = MISSING
    head: Any = MISSING
    optimizer: Any = MISSING
    schedule: Any = MISSING
    regularization: Any = MISSING
    augment: Any = MISSING
    data: Data = MISSING
    strategy: Any = MISSING
    tracking: Tracking = MISSING
    study: str = MISSING
    name: str | None = None
    sweep: Sweep = field(default_factory=Sweep)
    index: int | None = None
    highlights: list[Part] = field(default_factory=list)
    init_from: str | None = None
    seed: int = 0
    model: Model = field(default_factory=Model)
    train: Training = field(default_factory=Training)
    checkpoint: Checkpointing = field(default_factory=Checkpointing)
    resume: Resume = Resume.auto
    evaluate: Evaluation = field(default_factory=Evaluation)


@dataclass
class Preflighting:
    """What a run is compiled for, and what its time and money are reckoned with."""

    topology: Topology = MISSING
    classes: int | None = None
    images: int | None = None
    published_classes: int | None = None
    published_images: int | None = None
    host_images_per_core: float = MISSING
    price_per_hour: float | None = None
    largest_batch: bool = False
    output: str | None = None
    log: bool = False


# conf/preflight.yaml. Merged behind train.yaml and its experiment: a default of Train's would undo what those say.
Preflight = make_dataclass(
    "Preflight",
    [*((f.name, f.type, MISSING) for f in fields(Train)), ("preflight", Preflighting, MISSING)],
    bases=(Train,),
)


@dataclass
class Evaluate:
    """conf/evaluate.yaml."""

    strategy: Any = MISSING
    tta: Any = MISSING
    whitening: Any = MISSING
    database_augmentation: Any = MISSING
    query_expansion: Any = MISSING
    reranking: Any = MISSING
    tracking: Tracking = MISSING
    sweep: Jobs = field(default_factory=Jobs)
    run: str | None = None
    checkpoint: Checkpoint = Checkpoint.last
    model: str | None = None
    study: str = MISSING
    prepared: str | None = None
    index: str | None = None
    queries: str | None = None
    retrieval_solution: str | None = None
    recognition_solution: str | None = None
    index_classes: str | None = None
    revisited: str | None = None
    images: str | None = None
    neighbors: int | None = None
    batch_size: int = MISSING
    parallelism: int = MISSING
    memory: float = MISSING
    descriptors: StoredType = StoredType.float32
    cache: str = MISSING
    keep_descriptors: bool = False
    gallery: int = MISSING


@dataclass
class EnsembleSearch:
    """Which ensembles are tried."""

    search: Search | None = None
    max_members: int = MISSING
    max_dimension: int | None = None
    weights: list[float] = field(default_factory=list)
    depth: int | None = None


@dataclass
class Ensemble:
    """conf/ensemble.yaml."""

    tracking: Tracking = MISSING
    members: list[Any] = field(default_factory=list)
    weights: list[float] | None = None
    study: str = MISSING
    index: int | None = None
    name: str | None = None
    score: Score = Score.gap
    neighbors: int = MISSING
    memory: float = MISSING
    ensemble: EnsembleSearch = field(default_factory=EnsembleSearch)


@dataclass
class Limits:
    """What an export may be; null: anything."""

    dimension: int | None = None
    megabytes: float | None = None


@dataclass
class Card:
    """What a model card has to say and no run knows."""

    licence: str | None = None
    data_licence: str | None = None
    authors: str | None = None
    contact: str | None = None
    intended_use: str | None = None


@dataclass
class Export:
    """conf/export.yaml."""

    tracking: Tracking = MISSING
    run: str | None = None
    members: list[Any] = field(default_factory=list)
    weights: list[float] | None = None
    study: str = MISSING
    checkpoint: Checkpoint = Checkpoint.last
    output: str | None = None
    verify: int = MISSING
    tolerance: float = MISSING
    limits: Limits = field(default_factory=Limits)
    card: Card = field(default_factory=Card)


@dataclass
class Prepare:
    """conf/prepare.yaml."""

    data: Data = MISSING
    workers: int = 1
    shard_images: int = MISSING
    on_bad_image: OnBadImage = OnBadImage.error
    check_images: CheckImages = CheckImages.decode
    seed: int = 0


@dataclass
class Record:
    """conf/record.yaml."""

    tracking: Tracking = MISSING
    study: str | None = None
    run: str | None = None
    journal: str | None = None
    public: float | None = None
    private: float | None = None


@dataclass
class Scoring:
    """conf/score.yaml."""

    predictions: str = MISSING
    solution: str = MISSING
    task: Task | None = None
    output: str | None = None


@dataclass
class Comparison:
    """What the tables show."""

    highlight: str = "explicit"
    score: str | None = None
    decimals: int = MISSING
    order: Order = Order.index
    settings: list[str] = field(default_factory=list)
    backbones: list[str] = field(default_factory=list)


@dataclass
class Compare:
    """conf/compare.yaml."""

    tracking: Tracking = MISSING
    study: Any = MISSING
    where: Any = None
    format: Format = Format.markdown
    output: str | None = None
    check: bool = False
    compare: Comparison = field(default_factory=Comparison)


# What a component's constructor gets at run time and no YAML can know.
RUNTIME_ARGUMENTS = {
    "backbone": {"image_size"},
    "head": {"num_classes"},
    "schedule": {"steps_per_epoch", "total_steps"},
}

# Bounds of the typed settings: lowest and highest value.
BOUNDS: dict[str, tuple[float, float]] = {
    "seed": (0, inf),
    "index": (1, inf),
    "data.image_size": (8, inf),
    "data.shuffle_buffer": (1, inf),
    "data.parallelism": (1, inf),
    "data.validation_share": (0, 0.5),
    "data.max_side": (8, inf),
    "model.embedding_size": (1, inf),
    "strategy.replicas": (1, inf),
    "sweep.jobs": (1, inf),
    "sweep.minutes": (0.01, inf),
    "sweep.retries": (0, inf),
    "sweep.backoff": (0, inf),
    "train.epochs": (1, inf),
    "train.batch_size": (1, inf),
    "train.steps_per_execution": (1, inf),
    "train.max_skipped_batches": (1, inf),
    "checkpoint.minutes": (0.01, inf),
    "checkpoint.steps": (1, inf),
    "checkpoint.epochs": (1, inf),
    "checkpoint.keep": (1, inf),
    "evaluate.every": (1, inf),
    "evaluate.batch_size": (1, inf),
    "evaluate.gap.neighbors": (1, inf),
    "evaluate.memory": (0.01, inf),
    "evaluate.gallery": (0, inf),
    "tracking.patience": (0, inf),
    "preflight.classes": (2, inf),
    "preflight.images": (1, inf),
    "preflight.host_images_per_core": (1, inf),
    "preflight.price_per_hour": (0, inf),
    "workers": (1, inf),
    "neighbors": (1, inf),
    "batch_size": (1, inf),
    "parallelism": (1, inf),
    "memory": (0.01, inf),
    "gallery": (0, inf),
    "verify": (0, inf),
    "tolerance": (0, inf),
    "limits.dimension": (1, inf),
    "limits.megabytes": (0, inf),
    "ensemble.max_members": (1, inf),
    "ensemble.max_dimension": (1, inf),
    "ensemble.depth": (1, inf),
    "shard_images": (1, inf),
    "compare.decimals": (0, inf),
}


def register() -> None:
    """Make the schemas known to Hydra."""
    store = ConfigStore.instance()
    store.store(name="train_schema", node=Train)
    store.store(name="preflight_schema", node=Preflight)
    store.store(name="evaluate_schema", node=Evaluate)
    store.store(name="ensemble_schema", node=Ensemble)
    store.store(name="export_schema", node=Export)
    store.store(name="prepare_schema", node=Prepare)
    store.store(name="record_schema", node=Record)
    store.store(name="score_schema", node=Scoring)
    store.store(name="compare_schema", node=Compare)

"""The types of every setting that is not a component's argument: a wrong key, type or choice fails at composition."""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, is_dataclass, make_dataclass
from math import inf
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING

from glr.config.values import (
    BatchNorm,
    CheckImages,
    EnsembleMethod,
    ExportFormat,
    FleetAction,
    Format,
    Grouping,
    HitsFormat,
    ModelPart,
    Normalization,
    OnBadImage,
    OnInterrupt,
    OnMissingImage,
    OnNan,
    OutcomeUse,
    Precision,
    Rerun,
    Resume,
    RowOrder,
    RunPart,
    Sampler,
    Score,
    StoredType,
    StoredWeights,
    StoreState,
    TaskName,
    TopologyName,
    WeightDecayOn,
)


def at_least(lowest: float, *, default: Any = MISSING) -> Any:
    """A number with a lower bound, or null."""
    return field(default=default, metadata={"bounds": (lowest, inf)})


def between(lowest: float, highest: float, *, default: Any = MISSING) -> Any:
    """A number with two bounds, both included."""
    return field(default=default, metadata={"bounds": (lowest, highest)})


# Marks a setting that holds a component: a class and its arguments.
_COMPONENT = {"component": True}
# Marks a component, and gives lower bounds for arguments that only some of its classes have.
_STRATEGY = {"component": True, "arguments": {"replicas": 1}}


@dataclass
class Data:
    """A data set: where its shards are, how to read them, and the source from which `prepare` makes them."""

    label: str = MISSING
    path: str = MISSING
    prepare_when_missing: bool = False
    image_size: int = at_least(8)
    normalization: Normalization = MISSING
    sampler: Sampler = Sampler.shuffle
    images_per_class: int | None = at_least(2, default=None)
    shuffle_buffer: int = at_least(1)
    parallelism: int = at_least(1)
    cache_dir: str | None = None
    validation_share: float = between(0, 0.5)
    max_side: int | None = at_least(8, default=None)
    background: int = between(0, 255)
    train_on_validation: bool = MISSING
    source: Any = field(default=MISSING, metadata=_COMPONENT)


@dataclass
class Tracking:
    """The MLflow store."""

    uri: str = MISSING
    artifacts: str | None = None
    journal: str = MISSING
    patience: float = at_least(0)
    system_metrics: float | None = at_least(0.1, default=30.0)


@dataclass
class InitFrom:
    """The weights that a run starts from; without `run` and `file`, the backbone's own setting applies."""

    run: str | None = None
    file: str | None = None
    parts: list[ModelPart] = field(default_factory=lambda: list(ModelPart))
    strict: bool = False


@dataclass
class Embedding:
    """The layers between backbone and head."""

    embedding_size: int = at_least(1)
    batchnorm_momentum: float = MISSING
    batchnorm: BatchNorm = BatchNorm.per_replica


@dataclass
class Training:
    """Length, batch size and precision of a training run."""

    epochs: int = at_least(1)
    batch_size: int = at_least(1)
    precision: Precision = Precision.float32
    steps_per_execution: int = at_least(1)
    on_nan: OnNan = OnNan.stop
    max_skipped_batches: int = at_least(1)
    weight_decay_on: WeightDecayOn = WeightDecayOn.kernels
    layer_decay: float = between(0.01, 1, default=1.0)
    drop_path: float = between(0, 0.9, default=0.0)
    head_rate: float = at_least(0.01, default=1.0)
    deterministic: bool = False


@dataclass
class Checkpointing:
    """Where and how often to save a run, so that it can continue after an interruption."""

    path: str = MISSING
    minutes: float | None = at_least(0.01, default=None)
    steps: int | None = at_least(1, default=None)
    epochs: int | None = at_least(1, default=None)
    keep: int = at_least(1)
    room_minutes: float = at_least(0, default=60.0)


@dataclass
class Gap:
    """Settings for classifying a query by its neighbours."""

    neighbors: int = at_least(1, default=1)


@dataclass
class Evaluation:
    """The times and limits of an evaluation, and the metric that is the score."""

    every: int | None = at_least(1, default=None)
    untrained: bool = False
    batch_size: int = at_least(1)
    score: Score = Score.gap
    gap: Gap = field(default_factory=Gap)
    keep_descriptors: bool = True
    descriptors: StoredType = StoredType.float32
    memory: float = at_least(0.01)
    gallery: int = at_least(0)


@dataclass
class Debugging:
    """Shortcuts that make a run a debug run, which is no result."""

    steps: int | None = at_least(1, default=None)
    queries: int | None = at_least(1, default=None)
    target_loss: float | None = at_least(0, default=None)
    profile: int | None = at_least(1, default=None)


@dataclass
class Jobs:
    """Settings of the jobs of a sweep (-m)."""

    jobs: int = at_least(1)
    minutes: float | None = at_least(0.01, default=None)
    retries: int = at_least(0)
    backoff: float = at_least(0)
    trial: str | None = None


@dataclass
class Sweep(Jobs):
    """Settings of the jobs of a named sweep."""

    name: str | None = None
    rerun: Rerun = Rerun.failed
    budget: float | None = at_least(0, default=None)
    on_interrupt: OnInterrupt | None = None
    report: bool = True
    detach: bool = False


@dataclass
class TrainConfig:
    """The settings of conf/train.yaml."""

    backbone: Any = field(default=MISSING, metadata=_COMPONENT)
    pooling: Any = field(default=MISSING, metadata=_COMPONENT)
    head: Any = field(default=MISSING, metadata=_COMPONENT)
    optimizer: Any = field(default=MISSING, metadata=_COMPONENT)
    schedule: Any = field(default=MISSING, metadata=_COMPONENT)
    regularization: Any = field(default=MISSING, metadata=_COMPONENT)
    augment: Any = field(default=MISSING, metadata=_COMPONENT)
    data: Data = MISSING
    strategy: Any = field(default=MISSING, metadata=_STRATEGY)
    tracking: Tracking = MISSING
    study: str = MISSING
    name: str | None = None
    sweep: Sweep = field(default_factory=Sweep)
    index: int | None = at_least(1, default=None)
    highlights: list[RunPart] = field(default_factory=list)
    init_from: InitFrom = field(default_factory=InitFrom)
    seed: int = at_least(0, default=0)
    model: Embedding = field(default_factory=Embedding)
    train: Training = field(default_factory=Training)
    checkpoint: Checkpointing = field(default_factory=Checkpointing)
    resume: Resume = Resume.auto
    evaluate: Evaluation = field(default_factory=Evaluation)
    debug: Debugging = field(default_factory=Debugging)


@dataclass
class Preflighting:
    """The TPU to compile for, and the numbers from which time and cost are estimated."""

    topology: TopologyName = MISSING
    classes: int | None = at_least(2, default=None)
    images: int | None = at_least(1, default=None)
    published_classes: int | None = None
    published_images: int | None = None
    host_images_per_core: float = at_least(1)
    price_per_hour: float | None = at_least(0, default=None)
    largest_batch: bool = False
    output: str | None = None
    log: bool = False


# The schema of conf/preflight.yaml. Hydra merges it after train.yaml and the experiment. A default would override their
# values, so every setting of TrainConfig is MISSING here.
PreflightConfig = make_dataclass(
    "PreflightConfig",
    [
        *((f.name, f.type, field(default=MISSING, metadata=f.metadata)) for f in fields(TrainConfig)),
        ("preflight", Preflighting, MISSING),
    ],
    bases=(TrainConfig,),
    namespace={"__module__": __name__},  # its configs are pickled
)


@dataclass
class Describing:
    """The trained model that describes images, and how it does."""

    strategy: Any = field(default=MISSING, metadata=_STRATEGY)
    tta: Any = field(default=MISSING, metadata=_COMPONENT)
    tracking: Tracking = MISSING
    run: str | None = None
    checkpoint: StoredWeights = StoredWeights.last
    model: str | None = None
    max_model_gb: float = at_least(0)
    trust: list[str] = field(default_factory=list)
    batch_size: int = at_least(1)
    parallelism: int = at_least(1)
    cache: str = MISSING


@dataclass
class RankedSets(Describing):
    """The sets of index images and queries, and the steps from their descriptors to rankings."""

    whitening: Any = field(default=MISSING, metadata=_COMPONENT)
    database_augmentation: Any = field(default=MISSING, metadata=_COMPONENT)
    query_expansion: Any = field(default=MISSING, metadata=_COMPONENT)
    reranking: Any = field(default=MISSING, metadata=_COMPONENT)
    prepared: str | None = None
    index: str | None = None
    queries: str | None = None
    index_classes: str | None = None
    neighbors: int | None = at_least(1, default=None)
    memory: float = at_least(0.01)
    descriptors: StoredType = StoredType.float32


@dataclass
class EvaluateConfig(RankedSets):
    """The settings of conf/evaluate.yaml."""

    sweep: Jobs = field(default_factory=Jobs)
    study: str = MISSING
    retrieval_solution: str | None = None
    recognition_solution: str | None = None
    revisited: str | None = None
    images: str | None = None
    keep_descriptors: bool = False
    gallery: int = at_least(0)


@dataclass
class PredictConfig(RankedSets):
    """The settings of conf/predict.yaml."""

    task: TaskName = TaskName.retrieval
    output: str = MISSING


@dataclass
class SearchConfig(Describing):
    """The settings of conf/search.yaml."""

    index: str | None = None
    queries: Any = None
    k: int = at_least(1)
    format: HitsFormat = HitsFormat.html
    output: str | None = None
    shown: int = at_least(1)
    on_bad_image: OnBadImage = OnBadImage.error
    descriptors: StoredType = StoredType.float32


@dataclass
class EnsembleSearch:
    """The ensembles that a search tries."""

    search: EnsembleMethod | None = None
    max_members: int = at_least(1)
    max_dimension: int | None = at_least(1, default=None)
    weights: list[float] = field(default_factory=list)
    depth: int | None = at_least(1, default=None)


@dataclass
class EnsembleConfig:
    """The settings of conf/ensemble.yaml."""

    tracking: Tracking = MISSING
    members: list[Any] = field(default_factory=list)
    weights: list[float] | None = None
    study: str = MISSING
    index: int | None = at_least(1, default=None)
    name: str | None = None
    score: Score = Score.gap
    neighbors: int = at_least(1)
    memory: float = at_least(0.01)
    ensemble: EnsembleSearch = field(default_factory=EnsembleSearch)


@dataclass
class ExportLimits:
    """Limits of an export; null: no limit."""

    dimension: int | None = at_least(1, default=None)
    megabytes: float | None = at_least(0, default=None)


@dataclass
class Float16:
    """Limits of the check of a format whose weights are rounded to float16."""

    tolerance: float = at_least(0)
    images: int | None = at_least(8, default=None)


@dataclass
class Card:
    """The facts of a model card that runs do not record."""

    licence: str | None = None
    data_licence: str | None = None
    authors: str | None = None
    contact: str | None = None
    intended_use: str | None = None


@dataclass
class ExportConfig:
    """The settings of conf/export.yaml."""

    tracking: Tracking = MISSING
    run: str | None = None
    members: list[Any] = field(default_factory=list)
    weights: list[float] | None = None
    study: str = MISSING
    checkpoint: StoredWeights = StoredWeights.last
    trust: list[str] = field(default_factory=list)
    format: list[ExportFormat] = field(default_factory=lambda: [ExportFormat.saved_model])
    register: str | None = None
    output: str | None = None
    verify: int = at_least(0)
    tolerance: float = at_least(0)
    float16: Float16 = field(default_factory=Float16)
    limits: ExportLimits = field(default_factory=ExportLimits)
    card: Card = field(default_factory=Card)


@dataclass
class PrepareConfig:
    """The settings of conf/prepare.yaml."""

    data: Data = MISSING
    workers: int = at_least(1, default=1)
    shard_images: int = at_least(1)
    on_bad_image: OnBadImage = OnBadImage.error
    on_missing_image: OnMissingImage = OnMissingImage.error
    download: bool = False
    download_url: str = MISSING
    check_images: CheckImages = CheckImages.decode
    seed: int = at_least(0, default=0)


@dataclass
class RecordConfig:
    """The settings of conf/record.yaml."""

    tracking: Tracking = MISSING
    study: str | None = None
    run: str | None = None
    journal: str | None = None
    store: StoreState | None = None
    public: float | None = between(0, 1)
    private: float | None = between(0, 1)


@dataclass
class FleetConfig:
    """The settings of conf/fleet.yaml."""

    action: FleetAction = FleetAction.list
    project: str | None = None
    zones: list[str] = MISSING
    sweep_key: str | None = None
    minutes: float = at_least(0)


@dataclass
class ScoreConfig:
    """The settings of conf/score.yaml."""

    predictions: str = MISSING
    solution: str = MISSING
    task: TaskName | None = None
    output: str | None = None


@dataclass
class Comparison:
    """Contents of the tables."""

    highlight: str = "explicit"
    metric: str | None = None
    baseline: str | None = None
    group: Grouping = Grouping.seed
    outcomes: OutcomeUse = OutcomeUse.stored
    decimals: int | None = at_least(0, default=None)
    order: RowOrder = RowOrder.index
    settings: list[str] = field(default_factory=list)
    evaluations: bool = False
    backbones: list[str] = field(default_factory=list)


@dataclass
class CompareConfig:
    """The settings of conf/compare.yaml."""

    tracking: Tracking = MISSING
    study: Any = MISSING
    where: Any = None
    format: Format = Format.markdown
    output: str | None = None
    check: bool = False
    compare: Comparison = field(default_factory=Comparison)


# Arguments that are known only at run time, so no YAML can list them.
RUNTIME_ARGUMENTS = {
    "backbone": {"image_size"},
    "head": {"num_classes"},
    "schedule": {"steps_per_epoch", "total_steps"},
}


def register() -> None:
    """Register the schemas with Hydra."""
    for schema in (
        *[TrainConfig, PreflightConfig, EvaluateConfig, PredictConfig, SearchConfig, EnsembleConfig, ExportConfig],
        *[PrepareConfig, RecordConfig, ScoreConfig, CompareConfig, FleetConfig],
    ):
        command = schema.__name__.removesuffix("Config").lower()
        ConfigStore.instance().store(name=f"{command}_schema", node=schema)


def slots(schema: Any, prefix: str = "") -> Iterator[str]:
    """Yield the full key of every setting of a schema that holds a component."""
    for setting in fields(schema):
        key = f"{prefix}{setting.name}"
        if "component" in setting.metadata:
            yield key
        if isinstance(setting.type, type) and is_dataclass(setting.type):
            yield from slots(setting.type, f"{key}.")


def bounds(schema: Any, prefix: str = "") -> Iterator[tuple[str, float, float]]:
    """Yield (full key, lowest value, highest value) of every bounded setting of a schema."""
    for setting in fields(schema):
        key = f"{prefix}{setting.name}"
        if "bounds" in setting.metadata:
            yield key, *setting.metadata["bounds"]
        for argument, lowest in setting.metadata.get("arguments", {}).items():
            yield f"{key}.{argument}", lowest, inf
        if isinstance(setting.type, type) and is_dataclass(setting.type):
            yield from bounds(setting.type, f"{key}.")

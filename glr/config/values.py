"""Enums for settings that accept one of a few words."""

from enum import Enum, StrEnum

# How to scale uint8 pixels for the network: to 0..1, to -1..1, or by the mean and standard deviation of ImageNet's or
# CLIP's images.
Normalization = StrEnum("Normalization", "zero_one minus_one_one imagenet clip")

# The images of a train batch: shuffled, or a number of images of each of some classes.
Sampler = StrEnum("Sampler", "shuffle classes")

# Keras's mixed-precision policies; heads and descriptors are float32 in each. A run replaces `auto`.
Precision = StrEnum("Precision", "float32 mixed_bfloat16 mixed_float16 auto")

# The images that BatchNorm's statistics cover in training: each replica's share, or the global batch.
BatchNorm = StrEnum("BatchNorm", "per_replica synchronised")

# The metrics that can be a run's score; higher is better.
Score = StrEnum("Score", "gap map_at_100 mp_at_10 recall_at_1 recall_at_5 recall_at_10 top1_accuracy")

# The ended jobs that a sweep runs again.
Rerun = StrEnum("Rerun", "failed all none")

# What becomes of jobs on rented machines when the command that watches them is interrupted.
OnInterrupt = StrEnum("OnInterrupt", "leave stop")

# What to do with the rented TPU slices.
FleetAction = StrEnum("FleetAction", "list stop clean")

# A change of a local MLflow store: its folder was copied or moved.
StoreState = StrEnum("StoreState", "moved")

# The number type of stored descriptors.
StoredType = StrEnum("StoredType", "float32 float16")

# The weights that a run stores: of its last epoch, and of its best epoch on Public.
StoredWeights = StrEnum("StoredWeights", "last best")

# The file formats of an export; each is a module of glr.export.formats.
ExportFormat = StrEnum("ExportFormat", "saved_model onnx litert litert_float16 keras")

# How to search for the best ensemble.
EnsembleMethod = StrEnum("EnsembleMethod", "greedy exhaustive")

# The reaction of training to a loss or gradient that is not finite.
OnNan = StrEnum("OnNan", "stop skip_batch")

# The weights that optimizer.weight_decay shrinks: those of two or more dimensions, or all.
WeightDecayOn = StrEnum("WeightDecayOn", "kernels all")

# Continue an interrupted run of the same command, or start over.
Resume = StrEnum("Resume", "auto never")

# The reaction of `prepare` and `search` to an image that they cannot decode.
OnBadImage = StrEnum("OnBadImage", "error skip")

# What `prepare` does about an image that the source lists but does not hold.
OnMissingImage = StrEnum("OnMissingImage", "error skip")

# How `prepare` checks that a JPEG can be decoded.
CheckImages = StrEnum("CheckImages", "decode header")

# The answer to a query: a ranking of index images, or a landmark.
TaskName = StrEnum("TaskName", "retrieval recognition")

# The parts of a run that tables print and that a row can highlight.
RunPart = StrEnum(
    "RunPart",
    "backbone pooling head regularization batch_size epochs normalization image_size embedding_size optimizer schedule",
)

# The parts of a model that `init_from` can take from earlier weights; embedding: the Dense layer and its BatchNorm.
ModelPart = StrEnum("ModelPart", "backbone pooling embedding head")

# How to sort the rows of a table.
RowOrder = StrEnum("RowOrder", "index score")

# File formats of tables.
Format = StrEnum("Format", "markdown csv json html")

# How `search` writes hits: a page, a table or JSON.
HitsFormat = StrEnum("HitsFormat", "html csv json")

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

# The rows of a comparison: configurations, which are runs that differ in the seed only, or single runs.
Grouping = StrEnum("Grouping", "seed none")

# The outcomes of queries that a comparison uses: the stored ones; also compute missing ones from descriptors; none.
OutcomeUse = StrEnum("OutcomeUse", "stored compute none")

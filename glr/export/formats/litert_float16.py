"""LiteRT with weights in float16: half the size; the export measures the cost in scores."""

from glr.export.formats.litert import Litert


class LitertFloat16(Litert):
    """A LiteRT file whose weights are rounded to float16. CPUs compute in float32, GPUs of phones in float16."""

    name = "litert_float16"
    file = "model_float16.tflite"
    float16 = True

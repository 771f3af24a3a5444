"""Settings of different components that do not fit are refused before anything is built."""

from typing import Any

import pytest
from omegaconf import OmegaConf

from glr.config import combinations
from glr.config.check import check_command_line
from glr.config.component import build
from glr.config.installation import CONF
from glr.errors import GlrError


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (
            "backbone=vit_base data.image_size=225",
            "data.image_size=225: ViTBackbone needs a multiple of 16, such as 224 or 240",
        ),
        (
            "backbone=swin_tiny data.image_size=240",
            "data.image_size=240: SwinTransformerBackbone needs a multiple of 32, such as 224 or 256",
        ),
        (
            "backbone=vit_base backbone.architecture.patch_size=[8,4]",
            "backbone.architecture.patch_size=[8, 4]: expected a whole number of pixels, at least 1",
        ),
        ("pooling=cls", "pooling: DenseNet201 has no class token for ClassToken; give pooling=gem"),
        (
            "backbone=swin_tiny data.image_size=224 pooling=cls_gem",
            "pooling: Swin-T has no class token for ClassTokenGeM; give pooling=gem",
        ),
        (
            "backbone=inception_v3 train.layer_decay=0.5",
            "train.layer_decay=0.5: glr knows no blocks of InceptionV3; give 1",
        ),
        ("train.drop_path=0.1", "train.drop_path=0.1: glr cannot drop branches of DenseNet201; give 0"),
        (
            "backbone=convnext_tiny backbone.trainable=none train.drop_path=0.1",
            "train.drop_path=0.1 does nothing with backbone.trainable=none; give 0",
        ),
        (
            "backbone=swin_tiny data.image_size=224 train.drop_path=0.1",
            "train.drop_path=0.1: Swin-T has backbone.architecture.drop_path=0.2; set one to 0",
        ),
        ("head=supcon train.head_rate=9", "train.head_rate=9.0: SupCon(T=0.1) has no weights to train; give 1"),
        (
            "head=circle regularization=l2",
            "regularization.scope=head: Circle(g=80.0, m=0.4) has no weights to penalise; give "
            "regularization.scope=all or regularization=none",
        ),
        (
            "train.weight_decay_on=all",
            "train.weight_decay_on=all does nothing without optimizer.weight_decay; give both or neither",
        ),
        ("optimizer.learning_rate=-1", "optimizer.learning_rate=-1: expected a number above 0"),
        ("schedule=constant schedule.peak=0", "schedule.peak=0: expected a number above 0"),
        (
            "schedule=warmup_cosine train.epochs=3 schedule.warmup_epochs=3",
            "schedule.warmup_epochs=3: expected less than train.epochs=3",
        ),
    ],
)
@pytest.mark.parametrize("command", ["train", "preflight"])
def test_a_combination_that_cannot_work_is_one_sentence(command: str, line: str, sentence: str):
    with pytest.raises(GlrError) as refused:
        check_command_line(command, line.split(), multirun=False)
    assert str(refused.value) == sentence


@pytest.mark.parametrize(
    "line",
    [
        "backbone=siglip_base data.image_size=224 pooling=cls train.drop_path=0.1 train.layer_decay=0.8",
        "backbone=resnet_vd_50 train.layer_decay=0.8 train.weight_decay_on=all optimizer=adamw",
        "backbone=mobilenet_v3_small backbone.application=MobileNetV2 train.layer_decay=0.8",
        "backbone=swin_tiny backbone.architecture.drop_path=0 data.image_size=224 train.drop_path=0.1",
        "head=triplet regularization=l2 regularization.scope=all schedule=warmup_cosine schedule.warmup_epochs=0.5",
    ],
)
def test_one_that_works_is_accepted(line: str):
    check_command_line("train", line.split(), multirun=False)


def test_heads_say_whether_they_have_weights():
    for file in (CONF / "head").glob("*.yaml"):
        config: Any = OmegaConf.load(file)
        head = build(config, num_classes=5)
        head.build((None, 8))
        assert head.has_weights == bool(head.trainable_variables), file.stem


def test_sizes_that_are_no_numbers_are_left_to_the_network():
    assert combinations.stride({"depths": 3}) == 1
    assert combinations.stride({"patch_size": [4, 4], "depths": [2, 2, 6]}) == 16

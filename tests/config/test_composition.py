"""A job that is copied from others equals the one that Hydra composes."""
# pyright: reportPrivateUsage=false

from collections.abc import Iterator

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, Node, OmegaConf, open_dict

from glr.config import composing as module
from glr.config import composition as cached
from glr.config.check import check_command_line
from glr.config.composition import composition
from glr.config.installation import CONF
from glr.config.jobs import jobs_of_line
from glr.errors import GlrError


@pytest.fixture
def composed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[list[str]]]:
    """The overrides of each job that Hydra composes, from an empty cache on."""
    calls = []

    def counted(config_name: str, overrides: list[str], **options):
        calls.append(overrides)
        return compose(config_name, overrides, **options)

    monkeypatch.setattr(module, "compose", counted)
    caches = cached._composition, cached._composer
    for cache in caches:
        cache.cache_clear()
    yield calls
    for cache in caches:
        cache.cache_clear()


@pytest.mark.parametrize(
    ("command", "jobs"),
    [
        ("train", [["seed=1"], ["seed=2"]]),
        (
            "train",
            [
                ["head=arcface", f"head.margin={margin}", f"study={study}", f"name={name}", f"highlights={parts}"]
                for margin, study, name, parts in (
                    (0.3, "a", "'a,b'", "[head]"),
                    (0.4, "b c", "null", "[epochs,head]"),
                    (0.5, "d", "${study}-x", "[]"),
                )
            ],
        ),
        ("train", [["++head.depth=null"], ["++head.depth=7"], ["++head.depth=${seed}"]]),
        (
            "train",
            [
                ["name=${study}-x", "optimizer.learning_rate=${seed}", "train.precision=float32"],
                ["name=b", "optimizer.learning_rate=1e-3", "train.precision=float32"],
                ["name=b", "optimizer.learning_rate=0.25", "train.precision=float32"],
            ],
        ),
        ("train", [["highlights=[head]", "evaluate.every=null", "data.normalization=imagenet"]] * 2),
        ("ensemble", [["members=[1,2]", "weights=[1,2]"], ["members=[a]", "weights=null"]]),
        ("compare", [["study=demo"], ["study=[a,b]"], ["study=demo"]]),
        ("preflight", [["preflight.topology=v3-8", "seed=1"], ["preflight.topology=v5e-8", "seed=2"]]),
    ],
)
def test_a_copy_with_other_values_is_what_hydra_composes(command: str, jobs: list[list[str]], composed: list):
    copied = [composition(command, tuple(job)) for job in jobs]
    assert len(composed) == 1
    for job, one in zip(jobs, copied, strict=True):
        with initialize_config_dir(str(CONF), version_base="1.3"):
            expected = compose(command, job)
        assert one.settings == expected
        assert OmegaConf.to_yaml(one.settings) == OmegaConf.to_yaml(expected)
        assert OmegaConf.get_type(one.settings) is OmegaConf.get_type(expected)
        assert OmegaConf.is_struct(one.settings)


@pytest.mark.parametrize(
    "jobs",
    [
        [["head=arcface"], ["head=cosface"]],  # choices
        [["experiment=published/01_inception_v3"], ["experiment=published/12_xception_arcface"]],
        [["+head.depth=1"], ["+head.depth=2"]],
        [["data.source={seed: 1}"], ["data.source={seed: 2}"]],  # structures
        [["hydra.job.num=1"], ["hydra.job.num=2"]],  # Hydra's own
    ],
)
def test_jobs_that_differ_in_more_than_values_are_composed(jobs: list[list[str]], composed: list):
    for job in jobs:
        copied = composition("train", tuple(job))
        with initialize_config_dir(str(CONF), version_base="1.3"):
            assert copied.settings == compose("train", job)
    assert composed == jobs


def types(node: Node) -> object:
    """The types and flags of a node and of all nodes below it, in order."""
    own = (type(node), node._metadata.object_type, node._metadata.ref_type, node._metadata.flags)
    content = node._content if isinstance(node, DictConfig) else None
    return own, [(key, types(value)) for key, value in content.items()] if isinstance(content, dict) else None


PRODUCT = [
    ["head=arcface,cosface", "backbone=small_cnn,xception", "pooling=max,avg", "seed=1"],
    ["optimizer=sgd,adam", "+head.depth=1", "tracking=server,local", "tracking.uri=http://x", "augment=none,study"],
    ["data=demo,folder", "head=arcface,cosface", "backbone=small_cnn,xception"],  # a preset depends on the data
    ["experiment=published/01,published/12", "schedule=ramp,cosine", "head=arcface,cosface"],
    ["name=a", "data.source={seed: 3}", "data.source.seed=4,5", "head=arcface,cosface", "pooling=max,avg"],
    ["hydra.job.num=3", "strategy=auto,cpu", "head=arcface,cosface", "~augment", "+augment=study"],
]


@pytest.mark.parametrize("line", PRODUCT, ids=lambda line: line[0])
@pytest.mark.usefixtures("composed")
def test_an_assembled_job_is_what_hydra_composes(line: list[str]):
    _, jobs = jobs_of_line("train", line, multirun=True)
    assert jobs is not None
    choices = set()
    for job in jobs:
        assembled = composition("train", job)
        choices.add(str(assembled.choices))
        if sum(one != other for one, other in zip(job, jobs[0], strict=True)) < 2:
            continue  # Hydra itself composes a job that differs in one choice
        with initialize_config_dir(str(CONF), version_base="1.3"):
            expected = compose("train", job, return_hydra_config=True)
        assert dict(assembled.choices) == dict(expected.hydra.runtime.choices)
        with open_dict(expected):
            del expected["hydra"]
        assert types(assembled.settings) == types(expected)
        assert OmegaConf.to_yaml(assembled.settings) == OmegaConf.to_yaml(expected)
    assert len(choices) >= 4


def test_each_choice_of_a_product_is_composed_once(composed: list):
    line = ["head=arcface,cosface,adacos_semi", "backbone=small_cnn,xception,densenet201", "pooling=max,avg,gem"]
    _, jobs = jobs_of_line("train", line, multirun=True)
    assert jobs is not None
    for job in jobs:
        composition("train", job)
    assert len(jobs) == 27
    assert len(composed) == 1 + 2 + 2 + 2


def test_each_job_of_a_sweep_is_composed_once(composed: list):
    _, jobs = check_command_line("train", ["seed=range(20)", "head=arcface,cosface"], multirun=True)
    assert jobs is not None
    assert len(jobs) == 40
    assert composed == [["head=arcface"], ["head=cosface"]]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ("1,x", "job 2 of 2 (train.epochs=x): train.epochs=x: expected a whole number"),
        ("1,null", "job 2 of 2 (train.epochs=null): train.epochs=null: "),
        ("1,0", "job 2 of 2 (train.epochs=0): train.epochs=0: expected at least 1"),
        ("1,2.5", "job 2 of 2 (train.epochs=2.5): train.epochs=2.5: expected a whole number"),
    ],
)
def test_a_mistake_in_a_copy_is_the_sentence_of_a_single_job(values: str, sentence: str):
    with pytest.raises(GlrError) as swept:
        check_command_line("train", [f"train.epochs={values}"], multirun=True)
    assert str(swept.value).startswith(sentence)
    with pytest.raises(GlrError) as single:
        check_command_line("train", [f"train.epochs={values.split(',')[1]}"], multirun=False)
    assert str(swept.value) == f"job 2 of 2 (train.epochs={values.split(',')[1]}): {single.value}"


def test_an_unknown_key_in_every_job_is_no_setting_of_any(composed: list):
    for value in (1, 2):
        with pytest.raises(GlrError, match=r"train\.epoch is not a setting; did you mean train\.epochs\?"):
            composition("train", (f"train.epoch={value}",))
    assert ["train.epoch=2"] in composed


@pytest.mark.parametrize("choice", ["hydra/launcher=subprocess", "hydra/sweeper=grid", "hydra/sweeper=optuna"])
def test_what_needs_a_commands_sweep_is_refused_by_one_without(choice: str):
    assert "sweep" in composition("evaluate", ("run=x", choice)).settings
    with pytest.raises(GlrError, match=f"^{choice}: prepare lacks the sweep settings"):
        composition("prepare", ("data=demo", choice))


def test_a_typo_in_a_debug_setting_is_told_the_right_one():
    """conf/debug/ holds settings of other sections, which are no settings of debug."""
    with pytest.raises(GlrError, match=r"^debug\.step is not a setting; did you mean debug\.steps\?$"):
        composition("train", ("debug.step=1",))
    with pytest.raises(GlrError, match=r"the settings of debug are profile, queries, steps, target_loss$"):
        composition("train", ("debug.resume=never",))
    with pytest.raises(GlrError, match=r"^backbone\.architecture\.num_head is not .*; did you mean .*\.num_heads\?$"):
        composition("train", ("backbone=vit_tiny", "backbone.architecture.num_head=1"))
    with pytest.raises(GlrError, match=r"^head\.margn is not a setting; did you mean head\.margin"):
        composition("train", ("head=arcface", "head.margn=1"))


def test_a_setting_of_another_choice_is_told_its_choices():
    """A sweep of whitening=none,pca meets this if it gives whitening.epsilon for all jobs."""
    way_out = r"leave out whitening\.epsilon or whitening=none$"
    with pytest.raises(GlrError, match=rf"^whitening\.epsilon is a setting of whitening=pca only; {way_out}"):
        composition("evaluate", ("run=x", "whitening=none", "whitening.epsilon=0"))
    with pytest.raises(GlrError, match=r" of whitening=pca only; leave it out, or choose one of these$"):
        composition("evaluate", ("run=x", "whitening.epsilon=0"))

"""What a sweep's slices run, and what is refused before anything is rented."""

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from glr import storage
from glr.config.installation import CONF
from glr.errors import GlrError
from glr.sweep.job import Job
from glr.sweep.tpu.queued import QueuedResources
from glr.sweep.tpu.renting import Renting
from glr.tracking.run import PARENT_VARIABLE
from tests.conftest import here
from tests.tpu.service import TpuService

GIVEN = ["data.path=gs://b/set", "tracking=server", "tracking.uri=http://mlflow:5000"]
BUCKET = "hydra.launcher.bucket=gs://b/fleet"


def renting(*overrides: str, line: tuple[str, ...] = ("seed=1",), command: str = "train") -> Renting:
    hydras = [text for text in overrides if text.lstrip("+").startswith("hydra")]
    own = [text for text in overrides if text not in hydras]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose(command, ["hydra/launcher=tpu_vm", *hydras, *own], return_hydra_config=True)
        config.hydra.overrides.hydra = [text for text in hydras if "hydra.launcher" not in text]
        jobs = [Job(n, [*own, text], text, Path("out"), starts=1) for n, text in enumerate(line, start=1)]
        return Renting(config, jobs)


def test_an_order_holds_all_that_the_machine_needs(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(PARENT_VARIABLE, "parent")
    settings = [
        "+hydra.launcher.secrets.MLFLOW_TRACKING_TOKEN=mlflow",
        "+hydra.launcher.environment.A=b",
        "sweep.minutes=9",
    ]
    made = renting(*GIVEN, BUCKET, *settings, "hydra.launcher.price_per_hour=2")
    job = Job(1, [*GIVEN, "seed=1"], "seed=1", Path("out"), starts=2, seconds=120.0)
    order = made.order(job, "p")
    end = ["checkpoint.path=gs://b/fleet/checkpoints", "strategy=tpu", "hydra.mode=RUN"]
    assert order.arguments[: len(GIVEN) + 2] == [*GIVEN, "seed=1", "tracking.journal=mlruns/journal"]
    assert [text for text in order.arguments if text in end] == end
    variables = {PARENT_VARIABLE: "parent", "MLFLOW_TRACKING_URI": "http://mlflow:5000", "A": "b"}
    assert order.environment | variables == order.environment
    assert (order.secrets, order.minutes, order.price, order.first) == (
        {"MLFLOW_TRACKING_TOKEN": "mlflow"},
        7.0,
        2.0,
        [],
    )
    assert order.shown == "demo: seed=1"


def test_jobs_read_the_copy_on_the_disk_and_keep_their_keys():
    job, disk = Job(1, [*GIVEN, "seed=1"], "seed=1", Path("out")), "hydra.launcher.disk=sets"
    plain, made = renting(*GIVEN, BUCKET), renting(*GIVEN, BUCKET, disk)
    assert made.key(job) == plain.key(job)
    order = made.order(job, "p")
    assert [text for text in order.arguments if text.startswith("data.path=")] == [
        "data.path=gs://b/set",
        "data.path=disk/set",
    ]
    assert (order.copies, plain.order(job, "p").copies) == ({"disk/set": "gs://b/set"}, {})
    with pytest.raises(
        GlrError, match=r"^job 1 \(seed=1\): data.cache_dir: with hydra.launcher.disk the data is read on"
    ):
        renting(*GIVEN, BUCKET, disk, "data.cache_dir=/tmp/cache")


@pytest.mark.parametrize(
    ("given", "price"),
    [("null", None), ("2.5", 2.5), ("{v3-8:8,v5e-8:3}", 3.0), ("{v5e-8:{spot:3,on_demand:9.6}}", 9.6)],
)
def test_the_price_is_that_of_the_slice(given: str, price: float | None):
    settings = ["hydra.launcher.accelerator=v5litepod-8", "hydra.launcher.capacity=on_demand"]
    assert renting(*GIVEN, BUCKET, *settings, f"hydra.launcher.price_per_hour={given}").price == price


def test_what_is_run_anew_begins_anew_once():
    made = renting(*GIVEN, BUCKET, "sweep.rerun=all", "strategy=cpu", "checkpoint.path=gs://b/own")
    job = Job(1, [*GIVEN, "strategy=cpu", "seed=1"], "seed=1", Path("out"), starts=1)
    order = made.order(job, "p")
    assert order.first == ["resume=never"]
    assert not [text for text in order.arguments if text.startswith("checkpoint") or text == "strategy=tpu"]
    job.at_work = True
    assert made.order(job, "p").first == []


def test_a_jobs_key_is_that_of_its_settings():
    made = renting(*GIVEN, BUCKET, line=("seed=1", "seed=2"))
    jobs = [Job(n, [], "", Path("out")) for n in (1, 2)]
    first, second = map(made.key, jobs)
    assert first != second
    assert first == renting(*GIVEN, BUCKET, "sweep.jobs=5", "strategy=cpu").key(jobs[0])
    assert first != renting(*GIVEN, BUCKET, "study=other").key(jobs[0])
    assert first != renting(*GIVEN, f"{BUCKET}/colleague").key(jobs[0])  # whose slices are not taken up or deleted


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ((*GIVEN,), "hydra.launcher.bucket: give a folder of a bucket, as gs://BUCKET/fleet"),
        (
            (BUCKET, *GIVEN[1:]),
            "job 1 (seed=1): data.path=data/demo is on this machine; prepare the set into the bucket: ",
        ),
        (
            (BUCKET, GIVEN[0]),
            "job 1 (seed=1): tracking.uri=sqlite:///mlruns/mlflow.db is on this machine; the VMs need an M",
        ),
        (
            (BUCKET, *GIVEN[:2], "tracking.uri=http://me:word@mlflow"),
            "job 1 (seed=1): tracking.uri holds a password, which",
        ),
        (
            (BUCKET, *GIVEN, "init_from.file=w.weights.h5"),
            "job 1 (seed=1): init_from.file=w.weights.h5 is on this machine",
        ),
        (
            (BUCKET, *GIVEN, "name=${oc.env:HOME}"),
            "job 1 (seed=1): ${oc.env:HOME} is a variable of this machine; add +h",
        ),
        (
            (BUCKET, *GIVEN, "name=${oc.env:GLR_SECRET_1}"),
            "job 1 (seed=1): its command line holds a secret, which does not",
        ),
    ],
)
def test_what_only_this_machine_has_is_refused(overrides: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GLR_SECRET_1", "x")
    with pytest.raises(GlrError) as error:
        renting(*overrides)
    assert str(error.value).startswith(said)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (("hydra.launcher.capacity=cheap",), "hydra.launcher.capacity=cheap: expected spot, on_demand or reserved"),
        (("hydra.launcher.reservation=mine",), "hydra.launcher.reservation: a reservation needs "),
        (("hydra.launcher.zones=[]",), "hydra.launcher.zones: name at least one zone"),
        (("hydra.launcher.accelerator=v5e-3",), "hydra.launcher.accelerator=v5e-3: expected one of v2-8, v3-8, "),
        (
            ("hydra.launcher.disk=projects/p/disks/d",),
            "hydra.launcher.disk=projects/p/disks/d: give the name that the d",
        ),
        (("hydra.launcher.hours=0",), "hydra.launcher.hours=0: expected more than 0"),
        (
            ("hydra.launcher.price_per_hour=-1",),
            "hydra.launcher.price_per_hour=-1: expected USD above 0 for a v3-8 with",
        ),
        (
            ("hydra.launcher.price_per_hour={v5e-8:3}",),
            "hydra.launcher.price_per_hour={'v5e-8': 3}: expected USD above 0",
        ),
        (
            ("hydra.launcher.price_per_hour=cheap",),
            "hydra.launcher.price_per_hour=cheap: expected USD above 0 for a v3-",
        ),
        (("sweep.budget=5",), "sweep.budget needs the price of a slice: hydra.launcher.price_per_hour=USD"),
        (
            ("+hydra.launcher.environment.MLFLOW_TRACKING_TOKEN=abcdefgh",),
            "hydra.launcher.environment holds a secret, which does not leave this machine; ",
        ),
        (
            ("+hydra.launcher.environment.A=${oc.env:A_TOKEN}",),
            "hydra.launcher.environment holds a secret, which does not leave this machine; ",
        ),
        (
            ("hydra.launcher.install='curl https://me:word@host/glr.whl'",),
            "hydra.launcher.install holds a secret, which does not leave this machine; ",
        ),
    ],
)
def test_wrong_settings_of_the_launcher_are_refused(
    overrides: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("A_TOKEN", "abcdefgh")
    with pytest.raises(GlrError) as error:
        renting(BUCKET, *GIVEN, *overrides)
    assert str(error.value).startswith(said)
    assert "\n" not in str(error.value)


def test_other_commands_are_refused():
    with pytest.raises(GlrError, match=r"^hydra/launcher=tpu_vm runs jobs of train, not of evaluate"):
        renting(BUCKET, command="evaluate")


def test_terms_send_the_code_and_check_the_place(tpu: TpuService, gcs_folder: str, monkeypatch: pytest.MonkeyPatch):  # noqa: ARG001
    bucket, zones = f"hydra.launcher.bucket={gcs_folder}", "hydra.launcher.zones=[us-west4-a,europe-west4-b]"
    queue = QueuedResources("tests")
    made = renting(*GIVEN, bucket, zones, "hydra.launcher.accelerator=v5e-8")
    made.check(queue)
    assert storage.files(gcs_folder) == {}
    terms = made.terms(queue)
    assert (terms.wanted.accelerator, terms.code.startswith(f"{gcs_folder}/bundles/")) == ("v5litepod-8", True)
    monkeypatch.setattr("glr.storage.bucket.region", lambda _: "us-west4")
    with pytest.raises(
        GlrError, match=rf"^hydra.launcher.bucket={gcs_folder} is in us-west4, and zone europe-west4-b is"
    ):
        made.check(queue)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["hydra.launcher.accelerator=v3-32"], "hydra.launcher.accelerator=v3-32: a slice of several hosts"),
        (["hydra.launcher.zones=us-west4-a"], "hydra.launcher.zones=us-west4-a: expected a list, as hydra.launcher.z"),
        (["hydra.launcher.project=other"], "this account may not use Cloud TPU in project other, zone us-west4-a; "),
        (
            ["hydra.launcher.runtime_version=tpu-vm"],
            "hydra.launcher.runtime_version=tpu-vm does not exist in us-west4-a",
        ),
        (["hydra.launcher.accelerator=v5p-8"], "hydra.launcher.accelerator=v5p-8 does not exist in us-west4-a; gcloud"),
        (["hydra.launcher.bucket=gs://missing/fleet"], "gs://missing/fleet/any: there is no bucket gs://missing; "),
        (["data.path=gs://tests/no-set"], "the job: gs://tests/no-set holds no prepared data set"),
    ],
)
def test_a_sweep_is_refused_before_its_run_exists(
    tpu: TpuService, gcs_folder: str, tmp_path: Path, overrides: list[str], said: str
):
    launcher = ["hydra/launcher=tpu_vm", "hydra.launcher.project=tests", "hydra.launcher.zones=[us-west4-a]"]
    launcher += [f"hydra.launcher.bucket={gcs_folder}", "data.prepare_when_missing=false"]
    printed = here("train", *GIVEN, *launcher, *overrides, "seed=1", "-m", cwd=tmp_path)
    assert said in printed.partition("job 1 (seed=1): ")[2] + printed, printed
    assert not (tmp_path / "mlruns/mlflow.db").exists()
    assert not storage.files(gcs_folder)
    assert "CreateQueuedResource" not in [request.method for request in tpu.log]

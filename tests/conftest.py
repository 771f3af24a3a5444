"""Small data that the tests share, made once a session."""

import io
import os
import resource
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

from glr.config.check import composed
from glr.config.command import main_of
from glr.config.installation import CONF
from glr.config.resolvers import setup
from glr.config.signals import forget
from glr.data.catalog import SPLITS, Catalog
from glr.data.preparation import Options, prepare
from glr.data.prepared import PreparedData
from glr.data.rows import COLUMNS
from glr.data.source import FolderSource, Source
from glr.data.tfrecord import parse
from glr.devices.startup import hidden, importing
from glr.storage.lock import held
from tests.gcs.fixture import gcs, gcs_folder
from tests.past_run import past
from tests.processes.forks import Forks, forks
from tests.tpu.fixture import tpu

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
ROOT = Path(__file__).parents[1]
__all__ = ["gcs", "gcs_folder", "past", "tpu"]  # fixtures for every test


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, Any, Any]:
    """Import the test modules, and TensorFlow with them, as glr does: without the libraries that are optional to it."""
    with hidden("jax", "sklearn"), importing():
        return (yield)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start with the files that take longest, so that no worker has one of them left when the others are done."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])  # stable: within a file, and among equals, the order stays


@contextmanager
def no_file_beyond(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond `size` bytes: writing more fails as on a full disk."""
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)


@pytest.fixture(scope="session", autouse=True)
def _resolvers():
    setup()


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    """Forget a test's signals and secrets: glr takes an error after a signal for its effect, and hides each secret."""
    yield
    forget()
    for name in [name for name in os.environ if name.startswith("GLR_SECRET_")]:
        del os.environ[name]


@pytest.fixture(autouse=True)
def _unimported(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Forget the modules that a test wrote and imported, so that a later test may have others of the same names."""
    before = set(sys.modules)
    yield
    temporary = str(tmp_path_factory.getbasetemp())
    for name in sys.modules.keys() - before:
        spec = getattr(sys.modules[name], "__spec__", None)
        places = [spec.origin, *(spec.submodule_search_locations or [])] if spec else []
        if any(str(place).startswith(temporary) for place in places):
            del sys.modules[name]


def here(name: str, *arguments: str, cwd: Path) -> str:
    """Run `python -m glr.<name>` in this process and the folder `cwd`; return what it prints, or its error message.

    The store is named by its full path: MLflow keeps a process's stores open by their address.
    """
    GlobalHydra.instance().clear()
    printed = io.StringIO()
    tracked = "tracking" in (CONF / f"{name}.yaml").read_text()
    store = [f"tracking.uri=sqlite:///{cwd}/mlruns/mlflow.db"] if tracked else []
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(printed):
        patch.chdir(cwd)
        patch.setattr(sys, "argv", [name, *store, *arguments])
        try:
            main_of(name)()
        except SystemExit as ended:
            return str(ended.code)
    return printed.getvalue()


@pytest.fixture(scope="session")
def processes() -> Iterator[Forks]:
    """Starts commands in processes of their own, within a second."""
    with forks() as opened:
        yield opened


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], Any]) -> Path:
    """Return a folder that the first process of a test session fills and all processes read."""
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / f"once-{name}"
    folder.mkdir(exist_ok=True)
    with held(folder.with_name(f"{folder.name}.lock")):
        if not (folder / ".made").exists():
            make(folder)
            (folder / ".made").touch()
    return folder


@pytest.fixture(scope="session")
def new_store(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Path]:
    """Put an empty MLflow store where the commands of a folder expect it: a copy, as creating one takes seconds."""

    def make(folder: Path) -> None:
        from glr.tracking.store import connect  # most tests need no MLflow

        connect(f"sqlite:///{folder}/mlflow.db")

    made = made_once(tmp_path_factory, "store", make)

    def copied(folder: Path) -> Path:
        (folder / "mlruns").mkdir(parents=True, exist_ok=True)
        return Path(shutil.copy(made / "mlflow.db", folder / "mlruns/mlflow.db"))

    return copied


@pytest.fixture
def work(tmp_path: Path, new_store: Callable[[Path], Path]) -> Path:
    """The test's folder, with an empty MLflow store."""
    new_store(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory, new_store: Callable[[Path], Path]) -> Path:
    """A folder of this process with a store that holds the published study."""

    def make(folder: Path) -> None:
        new_store(folder)
        printed = here("record", "study=published", cwd=folder)
        assert printed.endswith("/mlruns/mlflow.db, 23 of them new or changed\n")

    made, folder = made_once(tmp_path_factory, "recorded", make), tmp_path_factory.mktemp("recorded")
    shutil.copytree(made, folder, dirs_exist_ok=True)
    _told(folder)
    return folder


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, new_store: Callable[[Path], Path]) -> Path:
    """A folder of this process with the runs `one` and `two` of the study `pair`, of 16 and 24 dimensions and pixels.

    Their images, 12 classes of 8, are patterns that barely stand out from noise, so that no score is perfect.
    """

    def make(folder: Path) -> None:
        new_store(folder)
        _train_pair(folder)

    made = made_once(tmp_path_factory, "trained", make)
    folder = tmp_path_factory.mktemp("trained")
    shutil.copytree(made, folder, dirs_exist_ok=True)
    _told(folder)
    return folder


@pytest.fixture(scope="module")
def pair(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, dict[str, bytes]]]:
    """The run's own index and queries as folders of JPEGs, with solution CSVs that name them."""
    data, folder = PreparedData(trained / "data/folder"), tmp_path_factory.mktemp("pair")
    images: dict[str, dict[str, bytes]] = {}
    for split, name in (("index", "index"), ("query", "queries")):
        records = [record for shard in data.shards[split] for _, record in data.read_block(shard, 0)]
        parsed = [parse(record) for record in records]
        images[name] = {Path(image.id.replace("/", "_")).stem: bytes(image.encoded) for image in parsed}
        for number, (image_id, content) in enumerate(images[name].items()):
            place = folder / name / ("below" if number % 2 else "") / f"{image_id}.jpg"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
    for file in ("retrieval_solution.csv", "recognition_solution.csv", "index.csv"):
        text = (trained / "data/folder" / file).read_text()
        names = [line.replace("/", "_").replace(".jpg", "") for line in text.splitlines()]
        (folder / file).write_text("\n".join(names) + "\n")
    return folder, images


def _told(folder: Path) -> None:
    """Tell the store of a copied folder where its files are now."""
    from glr.tracking.store import moved  # most tests need no MLflow

    moved(f"sqlite:///{folder}/mlruns/mlflow.db")


def _train_pair(folder: Path) -> None:
    images = folder / "images"
    for number in range(12):
        pattern = np.random.default_rng(number).normal(128, 25, (4, 4, 3)).repeat(8, 0).repeat(10, 1)[:30]
        (images / f"class{number:02d}").mkdir(parents=True)
        for image in range(8):
            noise = np.random.default_rng([number, image]).normal(0, 60, (30, 40, 3))
            pixels = np.clip(pattern + noise, 0, 255).astype(np.uint8)
            PIL.Image.fromarray(pixels).save(images / f"class{number:02d}" / f"{image}.jpg", quality=92)
    for name, size, head in (("one", 16, "adacos_semi"), ("two", 24, "arcface")):
        printed = here(
            "train",
            *[f"name={name}", "study=pair", "backbone=small_cnn", "backbone.width=8", f"head={head}"],
            *["data=folder", f"data.source.path={images}", "data.source.retrieval_classes=0.5"],
            *["data.source.query_images=0.25", f"data.image_size={size}", f"model.embedding_size={size}"],
            *["model.batchnorm_momentum=0.5", "train.batch_size=12", "train.epochs=2", "optimizer.learning_rate=0.01"],
            *[f"evaluate.gap.neighbors={3 if name == 'two' else 1}", "evaluate.gallery=0"],
            cwd=folder,
        )
        assert f"run {name} in study pair" in printed


@pytest.fixture(scope="session")
def class_folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 classes of 8 JPEGs: a pattern of 4 x 4 coloured squares per class, noise per image, all 40 x 30."""
    folder = tmp_path_factory.mktemp("images") / "classes"
    for number in range(12):
        pattern = np.random.default_rng(number).integers(0, 256, (4, 4, 3))
        (folder / f"class{number:02d}").mkdir(parents=True)
        for image in range(8):
            noise = np.random.default_rng([number, image]).normal(0, 12, (30, 40, 3))
            pixels = np.clip(pattern.repeat(8, 0).repeat(10, 1)[:30] + noise, 0, 255).astype(np.uint8)
            PIL.Image.fromarray(pixels).save(folder / f"class{number:02d}" / f"{image}.jpg", quality=92)
    return folder


def folder_source(path: Path | str) -> FolderSource:
    """Use a quarter of the classes for retrieval, a quarter of their images as queries."""
    return FolderSource(path=str(path), retrieval_classes=0.25, query_images=0.25, seed=3)


def filled(source: Source, seed: int = 0) -> Catalog:
    """Return a source's catalogue."""
    catalog = Catalog(seed)
    source.fill(catalog)
    catalog.refuse_missing()
    return catalog


def content(source: Source) -> dict[str, list[tuple]]:
    """Return all that a source puts into a catalogue: (id, file, class) of each split, and the solutions."""
    catalog = filled(source)
    classes = {split: dict(catalog.landmarks(split)) for split in SPLITS}
    tables = {split: [(i, p, classes[split][i]) for i, p, _ in sorted(catalog.photos(split))] for split in SPLITS}
    return tables | {task: list(catalog.answers(task)) for task in COLUMNS}


@pytest.fixture(scope="session")
def small_data(class_folders: Path, tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    """The class folders, prepared: 72 train images of 9 classes in 3 shards, 18 index images, 6 queries."""
    target = tmp_path_factory.mktemp("prepared") / "data"
    settings = {"path": str(class_folders), "seed": 3}
    return prepare(folder_source(class_folders), target, Options(shard_images=25), settings=settings)


@pytest.fixture(scope="session")
def demo_set(class_folders: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small set whose manifest has the demo's settings, because drawing the demo takes a minute."""
    source: Any = OmegaConf.to_container(composed("train", [])[0].data.source, resolve=True)
    target = tmp_path_factory.mktemp("demo") / "set"
    prepare(folder_source(class_folders), target, settings=source)
    return target


@pytest.fixture
def store(work: Path, demo_set: Path) -> Path:
    """An empty store of the test's own, where train's settings expect it, and the data set that they name."""
    (work / "data").mkdir()
    (work / "data/demo").symlink_to(demo_set)
    return work / "mlruns/mlflow.db"

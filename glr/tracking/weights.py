"""The weights that `init_from` names: from a file, or from a run that stored them."""

from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig

from glr import storage
from glr.errors import GlrError
from glr.tracking.history import stored_weights
from glr.tracking.store import connect


@dataclass(frozen=True)
class InitialWeights:
    """Weights to start from.

    Attributes:
        file: path of the weights, local or gs://.
        identity: the run's id, or the file's checksum, which does not depend on its path.
        run_id: id of the run that stored the weights; None: they come from a file.
        name: text that messages show.
    """

    file: str | Path
    identity: str
    run_id: str | None
    name: str


def initial_weights(config: DictConfig) -> InitialWeights | None:
    """Return the weights that a run starts from; None: the config names none, so the backbone's setting applies.

    Raises:
        GlrError: there is no such file or run.
    """
    given = config.init_from
    if given.file is not None:
        if not storage.exists(given.file):
            raise GlrError(f"init_from.file={given.file}: there is no such file")
        return InitialWeights(given.file, f"crc32c {storage.checksum(given.file)}", None, given.file)
    if given.run is None:
        return None
    run, file = stored_weights(connect(config.tracking.uri), given.run, config.study)
    return InitialWeights(file, f"run {run.id}", run.id, f"run {run.name} ({run.id})")

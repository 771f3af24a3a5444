"""Open a job: claim it for this process, and open the run that records it."""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from glr import storage
from glr.config.departures import departures
from glr.config.identity import Identity, debugged, settings_of
from glr.config.jobs import given, typed
from glr.config.log import Log
from glr.config.printing import say
from glr.config.run_names import SWEEP_VARIABLE, distinguishing, run_name
from glr.config.secrets import redacted
from glr.data.prepared import PreparedData
from glr.devices.workers import Worker
from glr.errors import GlrError
from glr.sweep.past import finished
from glr.tracking.description import NOTE, RunDescription
from glr.tracking.entries import StudyPage
from glr.tracking.environment import command_line
from glr.tracking.recorder import Recorder, Unrecorded
from glr.tracking.run import PARENT_VARIABLE, new_journal, run
from glr.tracking.view import SWEEP
from glr.tracking.weights import InitialWeights
from glr.train.claim import Claim, claimed, followed
from glr.train.log import RunLog


@dataclass(frozen=True)
class Job:
    """A run to be trained, with the places where it is recorded and saved.

    Attributes:
        config: composed from conf/train.yaml.
        data: the prepared data set.
        run: records the job.
        claim: the claim on the job, with the folder of its checkpoints.
        weights: file of initial weights; None: initialise as the backbone's config says.
        worker: this process among those that train the job; only the chief records and saves.
        log: all that the run's processes printed; None: it is not kept.
        description: the run's description.
    """

    config: DictConfig
    data: PreparedData
    run: Recorder
    claim: Claim
    weights: Path | None = None
    worker: Worker = Worker()  # noqa: RUF009 (it is frozen)
    log: RunLog | None = None
    description: RunDescription = RunDescription()  # noqa: RUF009 (it is frozen)


@contextmanager
def opened(
    config: DictConfig, data: PreparedData, initial: InitialWeights | None, worker: Worker, printed: Log | None = None
) -> Iterator[Job]:
    """Claim the job of a config and open its run; a failure ends the run and keeps the checkpoints.

    Args:
        config: composed from conf/train.yaml.
        data: the prepared data set.
        initial: the weights that `config.init_from` names.
        worker: this process among those that train the job.
        printed: the log of this process, which is stored with the run.

    Raises:
        DoneError: another process has completed the job meanwhile.
        GlrError: another process trains the job, or an interrupted run of this name differs.
    """
    alone = PARENT_VARIABLE not in os.environ
    if worker.count > 1 and not alone:
        raise GlrError("strategy=multi_worker cannot run a sweep: start each run with a command of its own, without -m")
    identity = Identity(settings_of(config, initial.identity if initial else None), data.digest)
    with ExitStack() as stack:
        weights = stack.enter_context(storage.on_disk(initial.file)) if initial else None
        if not worker.is_chief:
            yield Job(config, data, Unrecorded(), followed(config, identity), weights, worker)
            return
        choices = HydraConfig.get().runtime.choices
        name = run_name(config, choices, given(HydraConfig.get()))
        look = partial(finished, config.tracking.uri, config.study, identity)
        claim = stack.enter_context(claimed(config, identity, name, alone=alone, journal=new_journal(), finished=look))
        debug = debugged(config, choices)
        if initial and initial.run_id:
            say(f"starting from the weights of {initial.name}")
        with run(
            config.tracking,
            config.study,
            name,
            kind="debug" if debug else "train",  # only runs of kind train are results
            journal=claim.journal,
            attempt=claim.attempt,
            continued=claim.continues,
            tags=_tags(identity, debug, initial),
        ) as recorded:
            log = RunLog(printed, claim) if printed else None
            never_continues = bool(debug) and config.resume.value == "never"
            with _released(claim) if never_continues else nullcontext(), log.stored(recorded) if log else nullcontext():
                recorded.provenance(config, choices)
                images = {"images": data.images("train")}
                recorded.dataset(config.data.label, data.digest, config.data.path, "training", images)
                description = _description(config, choices)
                recorded.tags({NOTE: description.text()})
                yield Job(config, data, recorded, claim, weights, worker, log, description)
                # The study's latest command is the sweep's, not a job's.
                command = redacted(description.command) if alone else ""
                recorded.record(StudyPage(command, distinguishing()))
        # Unsent records exist on this machine only, so keep the checkpoints, which other machines may share.
        claim.release() if recorded.complete else claim.complete()


def _tags(identity: Identity, debug: str | None, initial: InitialWeights | None) -> dict[str, str]:
    """The tags by which other commands find the run."""
    tags = {"key": identity.key, "configuration": identity.configuration, "data_digest": identity.digest}
    if debug:
        tags["debug"] = debug
    if sweep := os.environ.get(SWEEP_VARIABLE):
        tags[SWEEP] = sweep
    if initial and initial.run_id:
        tags["init_from_run"] = initial.run_id
    return tags


@contextmanager
def _released(claim: Claim) -> Iterator[None]:
    """After an error, delete what the run keeps for a later process."""
    try:
        yield
    except Exception:
        claim.release()
        raise


def _description(config: DictConfig, choices: Mapping[str, object]) -> RunDescription:
    settings = departures("train", config, choices, typed(HydraConfig.get()))
    return RunDescription(settings, command_line(), os.environ.get(PARENT_VARIABLE))

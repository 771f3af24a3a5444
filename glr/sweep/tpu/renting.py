"""From a sweep's settings to what its slices share and run; refuses before the first request what cannot work there."""

import hashlib
import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from glr import storage
from glr.config.component import components
from glr.config.grammar import in_grammar
from glr.config.identity import settings_of
from glr.config.jobs import for_each_job, settings_of_job
from glr.config.run_names import SWEEP_VARIABLE, VARYING_VARIABLE
from glr.config.secrets import shows_secret, without_secrets
from glr.errors import GlrError
from glr.storage import bucket
from glr.sweep.job import Job
from glr.sweep.parent import SweepRun
from glr.sweep.tpu.attempt import Order
from glr.sweep.tpu.bundle import Bundle, bundle
from glr.sweep.tpu.queued import QueuedResources
from glr.sweep.tpu.refusal import BusyError, LoginError
from glr.sweep.tpu.slices import Slice, accelerator_of
from glr.sweep.tpu.terms import Terms
from glr.tracking.environment import CODE_VARIABLE, code
from glr.tracking.run import PARENT_VARIABLE

_JOURNAL = "mlruns/journal"  # on the VM's disk; see glr.sweep.tpu.agent
_FROM_ENVIRONMENT = re.compile(r"\$\{oc\.env:\s*['\"]?(\w+)")
_OF_STORE = "MLFLOW_TRACKING_URI"


class Renting:
    """The slices' settings, and the orders of a sweep's jobs.

    Args:
        config: the config that Hydra gives a sweep's launcher.
        jobs: the sweep's jobs.

    Raises:
        GlrError: a setting is wrong, or a job needs what only this machine has.
    """

    def __init__(self, config: DictConfig, jobs: Sequence[Job]):
        self._config, self._settings = config, config.hydra.launcher
        if config.hydra.job.config_name != "train":
            raise GlrError(f"hydra/launcher=tpu_vm runs jobs of train, not of {config.hydra.job.config_name}")
        self.bucket = self._bucket()
        self._check_settings()
        self._flags, self._folders = _without_folders(for_each_job(config.hydra))
        self._jobs = {job.number: settings_of_job(config, job.overrides) for job in jobs}
        for job in jobs:
            try:
                self._check(job)
            except GlrError as error:
                raise GlrError(f"job {job.number} ({job.shown}): {error}") from error

    def terms(self, queue: QueuedResources) -> Terms:
        """What the slices share; the jobs' code is in the bucket when this returns.

        Raises:
            GlrError: the bucket may not be written.
        """
        settings = self._settings
        wares = self._bundle()
        return Terms(
            self._wanted(),
            list(settings.zones),
            self.bucket,
            SweepRun.current.key if SweepRun.current else queue.project,
            wares.store(self.bucket),
            wares.wheel,
            settings.install,
            settings.hours,
            settings.boot_minutes,
            settings.period,
            None if settings.disk is None else settings.mount,
        )

    def check(self, queue: QueuedResources) -> None:
        """Look whether the bucket, the zones and the jobs' code are there; write and rent nothing.

        Raises:
            GlrError: a zone has no such slices or images, or Cloud TPU does not list its slices; the bucket is missing,
                elsewhere or closed to this account; or a package that a job names is missing.
        """
        for zone in self._settings.zones:  # first, as Cloud TPU's error tells a wrong clock from a missing login
            try:
                queue.check(self._wanted(), zone)
                queue.rented(zone)
            except LoginError:
                raise
            except BusyError:  # the sweep itself waits for the service
                continue
        storage.check_writable(storage.join(self.bucket, "any"))
        self._check_region()
        self._bundle()

    def key(self, job: Job) -> str:
        """A job's key among all jobs of the project: 16 hexadecimal digits.

        It is that of its settings and of the fleet's folder in the bucket: slices are known by it, and those of a
        colleague who runs the same study into another folder are not this sweep's.
        It is not that of the job's identity, which a job does not have while the run that it starts from is unfinished.
        """
        config = self._jobs[job.number]
        text = json.dumps([self.bucket, config.study, config.data.path, settings_of(config)], sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()

    def order(self, job: Job, project: str) -> Order:
        """What a job's machine is to run."""
        settings, sweep = self._jobs[job.number], self._config.sweep
        line = [*self._flags, *job.overrides, f"tracking.journal={_JOURNAL}"]
        if not storage.is_bucket(settings.checkpoint.path):
            line.append(f"checkpoint.path={storage.join(self.bucket, 'checkpoints')}")
        if not any(re.match(r"[+~]*strategy\b", text) for text in job.overrides):
            line.append("strategy=tpu")  # `auto` would train on the CPU if the TPU did not answer
        copies = {}
        if self._settings.disk is not None:
            copy = f"disk/{settings.data.path.rstrip('/').rpartition('/')[2]}"
            copies[copy] = settings.data.path
            line += [f"data.path={in_grammar(copy)}", "data.prepare_when_missing=false"]
        anew = sweep.rerun.name == "all" and job.starts == 1 and not job.at_work
        inherited = {name: os.environ.get(name) for name in (PARENT_VARIABLE, VARYING_VARIABLE, SWEEP_VARIABLE)}
        environment: dict[str, str] = {name: value for name, value in inherited.items() if value is not None}
        if _OF_STORE not in self._settings.secrets:
            environment[_OF_STORE] = settings.tracking.uri
        return Order(
            arguments=[*line, "hydra.mode=RUN", "hydra.run.dir=output", f"hydra.job.num={job.number - 1}"],
            first=["resume=never"] if anew else [],
            environment={CODE_VARIABLE: json.dumps(code())} | environment | _plain(self._settings.environment),
            secrets=_plain(self._settings.secrets),
            project=project,
            minutes=None if sweep.minutes is None else max(0.0, sweep.minutes - job.seconds / 60),
            hours=self._settings.hours,
            period=self._settings.period,
            price=self.price,
            shown=f"{settings.study}: {job.shown}",
            copies=copies,
        )

    def estimate(self, job: Job, output: Path) -> list[str]:
        """The command that estimates a job's running time on its slice; see `glr.sweep.tpu.estimates`."""
        kind = accelerator_of(self._settings.accelerator)[0].replace("v5litepod", "v5e")
        line = [*for_each_job(self._config.hydra), *job.overrides]
        end = [f"preflight.topology={kind}", f"preflight.output={in_grammar(str(output))}"]
        return [sys.executable, "-m", "glr.preflight", *line, *end]

    @property
    def price(self) -> float | None:
        """USD per hour of one slice; None: unknown.

        Raises:
            GlrError: the setting names no price of this slice, or no number above 0.
        """
        settings: Any = OmegaConf.to_container(self._settings, resolve=True)
        given, kind = settings["price_per_hour"], settings["accelerator"].replace("v5litepod", "v5e")
        price = given
        for name in (kind, settings["capacity"]):
            price = price.get(name) if isinstance(price, dict) else price
        if given is None or (isinstance(price, int | float) and price > 0):
            return price
        raise GlrError(
            f"hydra.launcher.price_per_hour={given}: expected USD above 0 for a {kind} with capacity "
            f"{settings['capacity']}, as 3.2 or {{{kind}: 3.2}}"
        )

    def _wanted(self) -> Slice:
        settings = self._settings
        accelerator, image = accelerator_of(settings.accelerator)
        return Slice(
            accelerator,
            settings.runtime_version or image,
            **{name: settings[name] for name in ("capacity", "reservation", "network", "subnetwork")},
            **{name: settings[name] for name in ("external_ips", "service_account", "queue_minutes", "disk")},
        )

    def _bucket(self) -> str:
        if not storage.is_bucket(self._settings.bucket or ""):
            raise GlrError("hydra.launcher.bucket: give a folder of a bucket, as gs://BUCKET/fleet")
        return storage.normalized(self._settings.bucket)

    def _check_settings(self) -> None:
        """Refuse wrong settings of the launcher."""
        settings: Any = OmegaConf.to_container(self._settings, resolve=True)
        accelerator_of(settings["accelerator"])
        if settings["capacity"] not in ("spot", "on_demand", "reserved"):
            raise GlrError(f"hydra.launcher.capacity={settings['capacity']}: expected spot, on_demand or reserved")
        if settings["reservation"] is not None and settings["capacity"] != "reserved":
            raise GlrError("hydra.launcher.reservation: a reservation needs hydra.launcher.capacity=reserved")
        if settings["disk"] is not None and not re.fullmatch(r"[a-z][a-z0-9-]*", settings["disk"]):
            raise GlrError(f"hydra.launcher.disk={settings['disk']}: give the name that the disk has in each zone")
        if not settings["zones"]:
            raise GlrError("hydra.launcher.zones: name at least one zone")
        for name in ("queue_minutes", "boot_minutes", "hours", "period"):
            if settings[name] is not None and settings[name] <= 0:
                raise GlrError(f"hydra.launcher.{name}={settings[name]:g}: expected more than 0")
        if self.price is None and self._config.sweep.budget is not None:
            raise GlrError("sweep.budget needs the price of a slice: hydra.launcher.price_per_hour=USD")
        for name in ("environment", "install", "mount"):
            if without_secrets(settings[name], name) != settings[name]:
                raise GlrError(
                    f"hydra.launcher.{name} holds a secret, which does not leave this machine; put it into Secret "
                    "Manager, and name it as +hydra.launcher.secrets.VARIABLE=NAME"
                )

    def _check(self, job: Job) -> None:
        """Refuse a job that needs what only this machine has."""
        settings = self._jobs[job.number]
        if not storage.is_bucket(settings.data.path):
            raise GlrError(
                f"data.path={settings.data.path} is on this machine; prepare the set into the bucket: "
                "python -m glr.prepare data.path=gs://BUCKET/FOLDER"
            )
        if self._settings.disk is not None and settings.data.cache_dir is not None:
            raise GlrError(
                "data.cache_dir: with hydra.launcher.disk the data is read on the disk; leave one of them out"
            )
        if settings.init_from.file is not None and not storage.is_bucket(settings.init_from.file):
            raise GlrError(f"init_from.file={settings.init_from.file} is on this machine; copy it into the bucket")
        given = {*self._settings.secrets, *self._settings.environment}
        for name in _FROM_ENVIRONMENT.findall(" ".join([*job.overrides, *self._flags])):
            if name.startswith("GLR_SECRET_"):
                raise GlrError(
                    "its command line holds a secret, which does not leave this machine; put it into Secret Manager, "
                    "name it as +hydra.launcher.secrets.VARIABLE=NAME, and refer to it as ${oc.env:VARIABLE}"
                )
            if name not in given:
                raise GlrError(
                    f"${{oc.env:{name}}} is a variable of this machine; add +hydra.launcher.environment.{name}=VALUE, "
                    f"or +hydra.launcher.secrets.{name}=NAME for a secret of Secret Manager"
                )
        if _OF_STORE not in self._settings.secrets:
            _check_store(settings.tracking.uri)

    def _bundle(self) -> Bundle:
        targets = {node._target_ for config in self._jobs.values() for _, node in components(config)}
        return bundle(targets, self._folders)

    def _check_region(self) -> None:
        region = bucket.region(storage.join(self.bucket, "any"))
        for zone in self._settings.zones:
            if region is not None and zone.rpartition("-")[0] != region:
                raise GlrError(
                    f"hydra.launcher.bucket={self.bucket} is in {region}, and zone {zone} is not: images and "
                    f"checkpoints would cross regions, slowly and for money; give zones of {region}, or a bucket in "
                    f"{zone.rpartition('-')[0]}"
                )


def _check_store(uri: str) -> None:
    """Refuse an MLflow store that other machines do not reach, or whose address holds a password."""
    if not uri.startswith("http"):
        raise GlrError(
            f"tracking.uri={uri} is on this machine; the VMs need an MLflow server that they reach: "
            "tracking=server tracking.uri=http://HOST:5000"
        )
    if shows_secret(uri):
        raise GlrError(
            "tracking.uri holds a password, which does not leave this machine; put the address into Secret Manager, "
            f"and add +hydra.launcher.secrets.{_OF_STORE}=NAME"
        )


def _without_folders(flags: Sequence[str]) -> tuple[list[str], list[str]]:
    """Replace the folders of --config-dir by their places on the VM; return the flags and the folders.

    Raises:
        GlrError: hydra.searchpath names further folders.
    """
    changed, folders = list[str](), list[str]()
    for flag, text in zip(["", *flags], flags, strict=False):
        if flag == "--config-dir":
            changed.append(f"user/configs/{len(folders)}")
            folders.append(text)
        elif text.lstrip("+").startswith("hydra.searchpath="):
            raise GlrError(f"{text}: the VMs have no such folders; give one by --config-dir, which goes with the code")
        else:
            changed.append(text)
    return changed, folders


def _plain(values: Mapping[str, Any]) -> dict[str, str]:
    return {str(name): str(value) for name, value in values.items()}

"""The errors of Google's client of Cloud TPU as sentences that say what to do."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from glr.errors import GlrError, first_line
from glr.storage import CredentialsError
from glr.sweep.tpu.slices import Slice


class BusyError(GlrError):
    """The service does not answer, or not now: the same request may succeed later."""


class LoginError(BusyError, CredentialsError):
    """There are no valid credentials for Cloud TPU. A login may expire during a sweep, whose slices work on."""


class ShortageError(GlrError):
    """The zone has no capacity or the project no quota there: another zone may have it, or this one later.

    Attributes:
        for_good: the quota is 0, so waiting does not help.
    """

    for_good = False


def failed(code: int, message: str, project: str) -> GlrError:
    """The error of a request that Cloud TPU accepted and then could not fulfil; `code` is gRPC's."""
    from google.rpc import code_pb2

    if code in (code_pb2.RESOURCE_EXHAUSTED, code_pb2.DEADLINE_EXCEEDED, code_pb2.UNAVAILABLE):
        return _shortage(message, project)
    return GlrError(f"Cloud TPU could not create the slice ({first_line(Exception(message))})")


def _shortage(message: str, project: str) -> ShortageError:
    short = first_line(Exception(message))
    if re.search(r"[Qq]uota", message) and re.search(r"[Ll]imit:? 0\b", message):
        error = ShortageError(
            f"project {project} has a quota of 0 for this kind of TPU ({short}); request one at "
            f"https://console.cloud.google.com/iam-admin/quotas?project={project}, or give another zone or capacity"
        )
        error.for_good = True
        return error
    return ShortageError(short)


@contextmanager
def explained(project: str | None, zone: str, wanted: Slice | None = None) -> Iterator[None]:
    """Turn an error of Google's client into a GlrError of one sentence."""
    from google.api_core import exceptions as api
    from google.auth.exceptions import GoogleAuthError, TransportError

    try:
        yield
    except TransportError as error:
        raise BusyError(f"Google cannot be reached ({first_line(error)})") from error
    except (GoogleAuthError, api.Unauthenticated) as error:
        raise LoginError(_without_credentials(str(error))) from error
    except api.Forbidden as error:
        raise GlrError(_forbidden(error, project, zone)) from error
    except api.TooManyRequests as error:
        if wanted is None:  # too many looks in a minute
            raise BusyError(f"Cloud TPU asks for patience ({first_line(error)})") from error
        raise _shortage(error.message, str(project)) from error
    except (api.ServerError, api.RetryError, api.Aborted) as error:
        if "metadata from plugin failed" in str(error) and "TransportError" not in str(error):  # gRPC asks for a token
            raise LoginError(_without_credentials(str(error))) from error
        raise BusyError(f"Cloud TPU does not answer ({first_line(error)})") from error
    except api.GoogleAPICallError as error:
        raise GlrError(_refused(error.message, zone, wanted)) from error


def _without_credentials(message: str) -> str:
    if re.search(r"Invalid JWT|reasonable timeframe|\biat\b|Token used too early", message):
        return "Google refuses the credentials because this machine's clock is wrong; set the clock, then try again"
    return (
        "no credentials for Cloud TPU; run gcloud auth application-default login, or set "
        "GOOGLE_APPLICATION_CREDENTIALS to a service account's key file"
    )


def _forbidden(error: Any, project: str | None, zone: str) -> str:
    if error.reason == "SERVICE_DISABLED" or "has not been used in project" in error.message:
        return (
            f"the Cloud TPU API is disabled in project {project}; run gcloud services enable tpu.googleapis.com "
            f"--project={project}, and try again some minutes later"
        )
    if "actAs" in error.message or "serviceAccountUser" in error.message:
        return (
            "hydra.launcher.service_account: this account may not use it; give it the role roles/iam.serviceAccountUser"
        )
    return (
        f"this account may not use Cloud TPU in project {project}, zone {zone}; correct hydra.launcher.project and "
        "zones, or give the account the role roles/tpu.admin"
    )


def without_image(wanted: Slice, zone: str) -> str:
    """The sentence for a zone that does not have the slice's system image."""
    return (
        f"hydra.launcher.runtime_version={wanted.image} does not exist in {zone}; gcloud compute tpus tpu-vm versions "
        f"list --zone={zone} shows those that do"
    )


def without_accelerator(wanted: Slice, zone: str) -> str:
    """The sentence for a zone that does not have such slices."""
    return (
        f"hydra.launcher.accelerator={wanted.accelerator} does not exist in {zone}; gcloud compute tpus "
        f"accelerator-types list --zone={zone} shows those that do"
    )


def _refused(message: str, zone: str, wanted: Slice | None) -> str:
    short, lower = first_line(Exception(message)), message.lower()
    if wanted is not None and "runtime" in lower and "version" in lower:
        return without_image(wanted, zone)
    if wanted is not None and "accelerator" in lower:
        return without_accelerator(wanted, zone)
    return f"Cloud TPU refused the request in {zone} ({short})"

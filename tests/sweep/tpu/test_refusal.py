"""Errors of Google's client that no service on loopback gives: credentials, the clock, the network, an identity."""

import pytest
from google.api_core import exceptions as api
from google.auth.exceptions import DefaultCredentialsError, RefreshError, TransportError

from glr.errors import GlrError
from glr.sweep.tpu.refusal import BusyError, LoginError, explained


@pytest.mark.parametrize(
    ("raised", "kind", "said"),
    [
        (RefreshError("invalid_grant: Invalid JWT: Token must be a short-lived token"), LoginError, "clock is wrong"),
        (
            api.ServiceUnavailable("Getting metadata from plugin failed with error: invalid_grant: Invalid JWT"),
            LoginError,
            "clock is wrong",
        ),
        (api.PermissionDenied("iam.serviceAccounts.actAs"), GlrError, "roles/iam.serviceAccountUser"),
        (DefaultCredentialsError("none"), LoginError, "gcloud auth application-default login"),
        (TransportError("no route"), BusyError, "Google cannot be reached"),
        (api.ServiceUnavailable("later"), BusyError, "does not answer"),
        (api.ResourceExhausted("Quota exceeded for 'Read requests per minute'"), BusyError, "asks for patience"),
    ],
)
def test_an_error_is_one_sentence(raised: Exception, kind: type, said: str):
    with pytest.raises(GlrError, match=said) as error, explained("p", "z"):
        raise raised
    assert type(error.value) is kind

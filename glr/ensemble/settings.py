"""Check the settings `members` and `weights` before any slow import."""

from collections.abc import Sequence
from math import inf

from glr.errors import GlrError


def check_weights(key: str, weights: Sequence[float]) -> None:
    """Refuse weights that are not positive numbers.

    Args:
        key: the setting's name, for the message.
        weights: factors of the members' similarities.

    Raises:
        GlrError: a weight is not positive.
    """
    if any(not 0 < weight < inf for weight in weights):
        raise GlrError(f"{key}={list(weights)}: weights must be above 0")


def check_given(members: Sequence[object], weights: Sequence[float] | None) -> None:
    """Refuse members that name no run, and weights that do not fit the members.

    Raises:
        GlrError: a setting is refused; the message states the first mistake.
    """
    for member in members:
        if isinstance(member, bool) or not isinstance(member, int | str):
            raise GlrError(f"members: {member} is no table index, name or id")
    if weights is not None and len(weights) != len(members):
        raise GlrError(f"weights: {len(weights)} for {len(members)} members; give one for each")
    check_weights("weights", weights or [])

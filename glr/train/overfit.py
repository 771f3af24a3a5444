"""Tell when a debug run has fitted its one batch (debug.target_loss)."""

from glr.config.printing import say
from glr.errors import GlrError

_FALLS = 0.75  # a head is refused if its minimum is above this share of the loss of guessing


class Overfit:
    """The loss that a run on one batch has to reach.

    The loss of a head with a small scale does not approach 0. The target is therefore a distance from the head's loss
    on ideal descriptors, `Head.simplex_loss`.

    Args:
        target: the distance; None: the run trains on all images and has no target.
        minimum: the head's loss on ideal descriptors.
        guessing: its loss on descriptors that say nothing, `Head.guess_loss`.
        epochs: the most epochs.

    Attributes:
        reached: True after an epoch whose mean loss was at most the target.

    Raises:
        GlrError: the head's loss cannot fall far.
    """

    def __init__(self, target: float | None, minimum: float, guessing: float, epochs: int):
        self.reached = False
        self._target = target
        self._minimum = minimum
        self._epochs = epochs
        if target is None:
            return
        if guessing == 0:
            raise GlrError(
                "debug.target_loss: the head has no loss on this batch, which has no two images of one class, or no "
                "two classes; give data.sampler=classes data.images_per_class=4"
            )
        if minimum > _FALLS * guessing:
            raise GlrError(
                f"debug.target_loss: the head's loss cannot fall: it is {guessing:.3g} for guesses and {minimum:.3g} "
                "for ideal descriptors; raise the head's scale, or correct the head"
            )
        if minimum + target > _FALLS * guessing:
            raise GlrError(
                f"debug.target_loss={target:g}: it tells nothing, since guesses come as near to the head's minimum: "
                f"it is {guessing:.3g} for guesses and {minimum:.3g} for ideal descriptors; lower debug.target_loss"
            )

    def check(self, epoch: int, step: int, loss: float, accuracy: float) -> None:
        """Look at the mean loss and accuracy of an epoch.

        Args:
            epoch: its number, from 1.
            step: the run's steps so far.

        Raises:
            GlrError: it was the last epoch, and the loss is above the target.
        """
        if self._target is None:
            return
        self._said = (
            f"after {step} steps on one batch the loss is {loss:.4f}, the accuracy {accuracy:.4f}; the target is "
            f"{self._minimum + self._target:.4f}, the head's minimum + debug.target_loss={self._target:g}"
        )
        self.reached = loss <= self._minimum + self._target
        if not self.reached and epoch == self._epochs:
            print()  # ends the epoch's line
            raise GlrError(
                f"the model did not fit one batch: {self._said}; look for a mistake in the head, the labels or the "
                "learning rate, or raise train.epochs"
            )

    def conclude(self) -> None:
        """Say that the model has fitted the batch, if that was the run's target."""
        if self.reached:
            say(f"the model fits one batch: {self._said}")

"""Adam and AdamW that update a variable with one fused kernel, and the weights that decay."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from glr.keras_internals import adam_moments


class _FusedUpdate:
    """Mixin that replaces `keras.optimizers.Adam`'s update, which passes a dozen times over a variable and its moments.

    On two cores DenseNet201's first step starts in half the time, and each step takes a fifth less time.
    """

    def update_step(self: Any, gradient: tf.Tensor, variable: keras.Variable, learning_rate: tf.Tensor) -> None:
        """Update a variable: Kingma and Ba, arXiv:1412.6980, in the order of operations at the end of section 2."""
        if self.amsgrad or isinstance(gradient, tf.IndexedSlices):
            super().update_step(gradient, variable, learning_rate)  # pyright: ignore[reportAttributeAccessIssue]
            return
        mean, square = adam_moments(self, variable)
        number = variable.dtype
        power1, power2 = vars(self).get("_powers") or self._powers_now()
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=mean.value.handle,
            v=square.value.handle,
            beta1_power=tf.cast(power1, number),
            beta2_power=tf.cast(power2, number),
            lr=tf.cast(learning_rate, number),
            beta1=tf.constant(self.beta_1, number),
            beta2=tf.constant(self.beta_2, number),
            epsilon=tf.constant(self.epsilon, number),
            grad=tf.cast(gradient, number),
        )

    def apply(self: Any, grads: Any, trainable_variables: Any = None) -> None:
        """Compute the powers for the bias correction once, not for each variable."""
        vars(self)["_powers"] = self._powers_now()  # Keras would wrap the tuple
        try:
            super().apply(grads, trainable_variables)  # pyright: ignore[reportAttributeAccessIssue]
        finally:
            vars(self)["_powers"] = None

    def _powers_now(self: Any) -> tuple[tf.Tensor, tf.Tensor]:
        step: Any = keras.ops.cast(self.iterations + 1, "float32")
        return tf.pow(self.beta_1, step), tf.pow(self.beta_2, step)


class Adam(_FusedUpdate, keras.optimizers.Adam):
    """`keras.optimizers.Adam` with the fused update; `amsgrad` has no fused kernel and uses Keras's update."""


class AdamW(_FusedUpdate, keras.optimizers.AdamW):
    """`keras.optimizers.AdamW` with the fused update; `amsgrad` has no fused kernel and uses Keras's update."""


def decay_kernels_only(optimizer: keras.optimizers.Optimizer, weights: Sequence[keras.Variable]) -> None:
    """Exclude weights of fewer than two dimensions from an optimizer's weight decay; call this before it is built.

    These are biases, the scales and offsets of norms, and GeM's p ("no bias decay": He et al., arXiv:1812.01187).
    """
    optimizer.exclude_from_weight_decay(var_list=[weight for weight in weights if len(weight.shape) < 2])

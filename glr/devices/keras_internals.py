"""The private parts of Keras that glr uses where no public interface exists.

Keras 3.10 to 3.15 has and uses these parts; other versions may lack them or not use them.
"""
# pyright: reportPrivateUsage=false

from collections.abc import Iterator
from types import CodeType
from typing import Any

import keras
import tensorflow as tf

# (class, method) of Keras -> the private parts that the method uses.
_USED = {
    (keras.Function, "_run_through_graph"): {"_nodes_by_depth"},
    (keras.optimizers.Adam, "update_step"): {"_get_variable_index", "_momentums", "_velocities"},
    (keras.optimizers.Optimizer, "apply"): {"_iterations", "_trainable_variables"},
    (keras.optimizers.Optimizer, "_update_model_variables_moving_average"): {"_model_variables_moving_average"},
    (keras.optimizers.Optimizer, "_backend_apply_gradients"): {"_apply_weight_decay"},
    (keras.optimizers.Optimizer, "_get_variable_index"): {"_var_key"},
    (keras.optimizers.Optimizer, "_backend_update_step"): {"_all_reduce_sum_gradients"},
    (keras.optimizers.LossScaleOptimizer, "_common_apply"): {
        "_stateful_handle_finite_grads",
        "_stateful_handle_non_finite_grads",
    },
}


def _names(code: CodeType | None) -> Iterator[str]:
    """The attributes that a function uses, with those of the functions inside it."""
    if code is not None:
        yield from code.co_names
        for constant in code.co_consts:
            yield from _names(constant if isinstance(constant, CodeType) else None)


for (_owner, _method), _parts in _USED.items():
    if _missing := _parts.difference(_names(getattr(getattr(_owner, _method, None), "__code__", None))):
        raise ImportError(
            f"glr needs Keras 3.10 to 3.15: {_owner.__name__}.{_method} of {keras.__version__} does not use "
            f"{', '.join(sorted(_missing))}"
        )


def calls(network: keras.Model) -> list[Any]:
    """The calls of layers and operations that a functional network is made of, each a `keras.Node`.

    A layer that is called twice is in two of them; a network inside the network is one call.
    """
    return [node for nodes in network._nodes_by_depth.values() for node in nodes]


def keep_gradients(optimizer: keras.optimizers.Optimizer) -> None:
    """Make an optimizer apply the gradients as they are, not their sum over the replicas."""
    optimizer._all_reduce_sum_gradients = lambda pairs: pairs


def scale_rates(optimizer: keras.optimizers.Optimizer, factors: list[tuple[keras.Variable, float]]) -> None:
    """Multiply the learning rate of each given weight, for its update and its decay, by a factor."""
    known = {optimizer._var_key(weight): factor for weight, factor in factors}
    update, decay = optimizer.update_step, optimizer._apply_weight_decay

    def factor_of(variable: Any) -> float:
        return known.get(optimizer._var_key(variable), 1.0)

    def decayed(variables: list[keras.Variable]) -> None:
        whole = optimizer.weight_decay
        try:
            for factor in sorted({factor_of(variable) for variable in variables}):
                optimizer.weight_decay = None if whole is None else whole * factor
                decay([variable for variable in variables if factor_of(variable) == factor])
        finally:
            optimizer.weight_decay = whole

    optimizer.update_step = lambda gradient, variable, rate: update(gradient, variable, rate * factor_of(variable))
    optimizer._apply_weight_decay = decayed


def batches_seen(optimizer: keras.optimizers.Optimizer) -> int:
    """The number of batches applied; with accumulated gradients, `optimizer.iterations` counts several as one."""
    return int(optimizer._iterations.value.read_value())


def moving_averages(optimizer: keras.optimizers.Optimizer) -> list[tuple[keras.Variable, keras.Variable]]:
    """Each trained weight with its moving average; empty without `use_ema` and before the first step."""
    if not optimizer.use_ema or not batches_seen(optimizer):
        return []
    return list(zip(optimizer._trainable_variables, optimizer._model_variables_moving_average, strict=True))


def adam_moments(optimizer: keras.optimizers.Adam, variable: keras.Variable) -> tuple[keras.Variable, keras.Variable]:
    """A variable's running mean of the gradient and its running mean of the squared gradient."""
    position = optimizer._get_variable_index(variable)
    return optimizer._momentums[position], optimizer._velocities[position]


class SkipNonFinite(keras.optimizers.LossScaleOptimizer):
    """Wraps an optimizer: a step with a gradient that is not finite changes no weight, no moment and no count.

    Keras's loss scaling already skips such steps; here the scale stays 1.
    """

    def __init__(self, inner_optimizer: keras.optimizers.Optimizer):
        super().__init__(inner_optimizer, initial_scale=1.0)

    def _stateful_handle_finite_grads(self, grads: list[tf.Tensor], trainable_variables: list[keras.Variable]) -> None:
        self.inner_optimizer.apply(grads, trainable_variables=trainable_variables)

    def _stateful_handle_non_finite_grads(self) -> None:
        pass

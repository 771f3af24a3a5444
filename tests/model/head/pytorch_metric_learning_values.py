"""Write pytorch_metric_learning.json: losses and gradients of pytorch-metric-learning, which the heads must equal.

Run by hand, in an environment with torch (extra `bench`) and pytorch-metric-learning 2.9:

    python tests/model/head/pytorch_metric_learning_values.py
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch  # pyright: ignore[reportMissingImports]
from pytorch_metric_learning import losses, miners  # pyright: ignore[reportMissingImports]

FILE = Path(__file__).with_name("pytorch_metric_learning.json")
CLASSES, DIMENSIONS, CENTERS = 5, 6, 3
LABELS = [0, 1, 0, 2, 1, 0, 2, 3, 1, 2, 0, 1]  # class 3 has one image, class 4 none


def cases() -> dict[str, tuple[str, dict[str, Any], Any, Any]]:
    """Map a name to (choice of conf/head, arguments, loss, miner)."""
    sizes = {"num_classes": CLASSES, "embedding_size": DIMENSIONS}
    hard, semihard = miners.BatchHardMiner(), miners.BatchEasyHardMiner("hard", "semihard")
    every = {"alpha": 2.0, "beta": 50.0, "base": 0.5}
    soft = {"margin": 0.01, "scale": 20.0, "centers": CENTERS, "temperature": 0.1}
    return {
        "triplet, hard": (
            *("triplet", {"margin": 0.2, "negatives": "hard"}),
            *(losses.TripletMarginLoss(margin=0.2), hard),
        ),
        "triplet, semihard": (
            *("triplet", {"margin": 0.4, "negatives": "semihard"}),
            *(losses.TripletMarginLoss(margin=0.4), semihard),
        ),
        "supcon": ("supcon", {"temperature": 0.1}, losses.SupConLoss(0.1), None),
        "multi_similarity": (
            *("multi_similarity", {**every, "epsilon": 0.1}),
            *(losses.MultiSimilarityLoss(**every), miners.MultiSimilarityMiner(0.1)),
        ),
        "multi_similarity, all pairs": (
            *("multi_similarity", {**every, "epsilon": None}),
            *(losses.MultiSimilarityLoss(**every), None),
        ),
        "circle": ("circle", {"margin": 0.4, "gamma": 80.0}, losses.CircleLoss(m=0.4, gamma=80), None),
        "proxy_anchor": (
            *("proxy_anchor", {"margin": 0.1, "scale": 32.0}),
            *(losses.ProxyAnchorLoss(**sizes, margin=0.1, alpha=32), None),
        ),
        "soft_triple": (
            *("soft_triple", soft),
            *(losses.SoftTripleLoss(**sizes, centers_per_class=CENTERS, la=20, gamma=0.1, margin=0.01), None),
        ),
    }


def main() -> None:
    """Compute in float64 on inputs of three decimals, which JSON holds exactly."""
    random = np.random.default_rng(0)
    axes = random.normal(size=(CLASSES, DIMENSIONS))
    descriptors = np.round(axes[LABELS] + random.normal(0, 0.7, (len(LABELS), DIMENSIONS)), 3)
    proxies = np.round(np.repeat(axes, CENTERS, 0) + random.normal(0, 0.7, (CLASSES * CENTERS, DIMENSIONS)), 3)
    found: dict[str, Any] = {"descriptors": descriptors.tolist(), "labels": LABELS, "cases": {}}
    for name, (head, arguments, loss, miner) in cases().items():
        given, labels = torch.tensor(descriptors, requires_grad=True), torch.tensor(LABELS)
        # Row c * K + k holds class c's k-th centre. The heads' column k * C + c does.
        weights = next(iter(loss.parameters()), None)
        kernel = proxies if head == "soft_triple" else proxies[::CENTERS]
        columns = torch.arange(len(kernel)).reshape(CLASSES, -1).T.flatten()
        if weights is not None:
            weights.data = torch.tensor(kernel.T if head == "soft_triple" else kernel)
        value = loss(given, labels, miner(given, labels) if miner else None)
        value.backward()
        case = {"head": head, "arguments": arguments, "loss": value.item(), "gradient": given.grad.tolist()}
        if weights is not None:
            gradient = weights.grad if head == "soft_triple" else weights.grad.T
            case |= {"kernel": kernel.T[:, columns].tolist(), "kernel_gradient": gradient[:, columns].tolist()}
        found["cases"][name] = case
    FILE.write_text(f"{json.dumps(found)}\n")


if __name__ == "__main__":
    main()

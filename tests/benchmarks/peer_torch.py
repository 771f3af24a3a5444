"""The peer `torch` of `tests.benchmarks.step`: PyTorch's eager mode with timm's network, as most of its users train.

Images and weights are in channels_last; bfloat16 comes by autocast; Adam is fused on a GPU.
"""
# pyright: reportMissingImports=false

import math
from typing import Any

import timm
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 (PyTorch's custom)

from tests.benchmarks.peer import EMBEDDING, RATE, WEIGHT_DECAY, Peer, processor, serve


def make(settings: dict[str, Any]) -> Peer:
    """Build the network of `settings["timm"]`, GeM, the embedding, AdaCos(Semi) with its penalty, and Adam."""
    torch.manual_seed(0)
    torch.backends.cudnn.benchmark = True
    torch.set_float32_matmul_precision("high")  # TF32 on a GPU, as TensorFlow's default
    gpu, classes = torch.cuda.is_available(), settings["classes"]
    device = torch.device("cuda" if gpu else "cpu")
    backbone = timm.create_model(settings["timm"], num_classes=0)
    embedding, norm = nn.Linear(backbone.num_features, EMBEDDING), nn.BatchNorm1d(EMBEDDING, eps=1e-3)
    kernel = nn.Linear(EMBEDDING, classes, bias=False)
    nn.init.xavier_uniform_(kernel.weight)
    parts = nn.ModuleList([backbone, embedding, norm, kernel]).to(device, memory_format=torch.channels_last)
    exponent = nn.Parameter(torch.tensor(3.0, device=device))
    weights = [*parts.parameters(), exponent]
    optimizer = torch.optim.Adam(weights, RATE, eps=1e-7, fused=gpu)
    shape = (settings["batch"], 3, settings["size"], settings["size"])
    images = torch.randint(0, 256, shape, dtype=torch.uint8, device=device).to(memory_format=torch.channels_last)
    labels = torch.randint(0, classes, shape[:1], device=device)

    def loss_of() -> Any:
        features = backbone.forward_features(images.float() / 127.5 - 1).float().clamp(min=1e-6)
        pooled = features.pow(exponent).mean((2, 3)).pow(1 / exponent)
        described = norm(embedding(pooled).float())
        with torch.autocast(device.type, enabled=False):
            cosines = F.linear(F.normalize(described), F.normalize(kernel.weight))
        with torch.no_grad():
            median = torch.acos(cosines.gather(1, labels[:, None])[:, 0].clamp(-1, 1)).median()
            scale = math.log(classes - 1) / torch.cos(median.clamp(max=math.pi / 4))
        return F.cross_entropy(cosines * scale, labels) + WEIGHT_DECAY * kernel.weight.square().sum()

    def step() -> Any:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device.type, torch.bfloat16, enabled=settings["precision"] == "mixed_bfloat16"):
            loss = loss_of()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return Peer(
        None,
        step,
        float,
        torch.cuda.max_memory_allocated if gpu else None,
        lambda: sum(weight.numel() for weight in weights if weight.grad is not None),
        torch.cuda.get_device_name() if gpu else processor(),
        f"PyTorch {torch.__version__}, timm {timm.__version__}",
    )


if __name__ == "__main__":
    serve(make)

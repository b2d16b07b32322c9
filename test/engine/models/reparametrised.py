"""State dicts of reparametrised layers for the tests: usage reparametrised.py FOLDER.

Writes FORM.pth for each form of a CIFAR ResNet's convolutions, and prints as JSON some weights that its modules compute with.
"""
import json
import os
import sys

import torch
from torch import nn
from torch.nn.utils import parametrizations, prune, spectral_norm, weight_norm


class Block(nn.Module):
    def __init__(self, into, out):
        super().__init__()
        self.conv1 = nn.Conv2d(into, out, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)


class Network(nn.Module):
    """The names of a CIFAR ResNet-20, a quarter as wide."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(4)
        self.layer1 = nn.Sequential(*[Block(4, 4) for _ in range(3)])
        self.layer2 = nn.Sequential(Block(4, 8), Block(8, 8), Block(8, 8))
        self.layer3 = nn.Sequential(Block(8, 16), Block(16, 16), Block(16, 16))
        self.linear = nn.Linear(16, 10)


FORMS = {
    "prune": lambda m: prune.random_unstructured(m, "weight", 0.5),
    "weight_norm_old": lambda m: weight_norm(m),
    "weight_norm_whole": lambda m: weight_norm(m, dim=None),
    "weight_norm_columns": lambda m: weight_norm(m, dim=1),
    "weight_norm": lambda m: parametrizations.weight_norm(m),
    "spectral_norm_old": lambda m: spectral_norm(m),
    "spectral_norm": lambda m: parametrizations.spectral_norm(m),
}

folder = sys.argv[1]
expected = {}
for name, form in FORMS.items():
    torch.manual_seed(1)
    network = Network()
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            form(module)
    network.eval()
    image = torch.randn(1, 3, 8, 8)
    with torch.no_grad():
        # Old forms compute their weight in a hook that runs before forward.
        network.conv1(image)
        conv = network.layer2[0].conv1
        conv(torch.randn(1, 4, 8, 8))
    expected[name] = {
        "conv1.weight": network.conv1.weight.flatten().tolist(),
        "layer2.0.conv1.weight": conv.weight.flatten().tolist(),
    }
    torch.save(network.state_dict(), os.path.join(folder, name + ".pth"))
print(json.dumps(expected))

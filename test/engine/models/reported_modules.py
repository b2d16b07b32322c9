"""The reported modules that are not kept as files, made of one that is: usage reported_modules.py leaky_relu.pth FOLDER.

All of them have the same weights; they differ in the layer that was changed after construction.
"""
import os
import sys

import torch
from torch import nn


def swap(module, kind, new):
    for name, child in module.named_children():
        if isinstance(child, kind):
            setattr(module, name, new())
        else:
            swap(child, kind, new)


def raise_eps(module):
    for child in module.modules():
        if isinstance(child, nn.BatchNorm2d):
            child.eps = 0.1


CHANGES = {
    "plain": lambda module: None,
    "no_maxpool": lambda module: setattr(module, "maxpool", nn.Identity()),
    "bn_eps": raise_eps,
}

file, folder = sys.argv[1:]
for name, change in CHANGES.items():
    network = torch.load(file, weights_only=False)
    swap(network, nn.LeakyReLU, nn.ReLU)
    change(network)
    torch.save(network, os.path.join(folder, name + ".pth"))
print("null")

"""The reported modules that are not kept as files, made of one that is: usage reported_modules.py leaky_relu.pth FOLDER.

All of them have the same weights; they differ in the layer that was changed after construction.
"""
import os
import sys

import torch
from changed_modules import BN, each, put, swap
from torch import nn

CHANGES = {
    "plain": lambda module: None,
    "no_maxpool": put("maxpool", nn.Identity),
    "bn_eps": each(BN, eps=0.1),
}

file, folder = sys.argv[1:]
for name, change in CHANGES.items():
    network = torch.load(file, weights_only=False)
    swap(network, nn.LeakyReLU, nn.ReLU)
    change(network)
    torch.save(network, os.path.join(folder, name + ".pth"))
print("null")

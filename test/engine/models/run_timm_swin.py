"""A Swin of timm with the pruned tensors of a file: usage run_timm_swin.py MODEL CHECKPOINT.pth IMAGE.input

Replaces what has other shapes (qkv, proj, bias table, widths of every layer), sets each block's heads, loads the state dict
strictly and prints the logits of the image and the heads, as JSON.
"""
import json
import sys

import numpy as np
import torch
from timm_without_torchvision import timm
from torch import nn


def resized(module, state, prefix):
    """Gives a layer the shapes of its tensors in the state dict."""
    weight = state[prefix + ".weight"]
    if isinstance(module, nn.Linear):
        return nn.Linear(weight.shape[1], weight.shape[0], bias=module.bias is not None)
    if isinstance(module, nn.LayerNorm):
        return nn.LayerNorm(weight.shape[0], eps=module.eps)
    if isinstance(module, nn.Conv2d):
        return nn.Conv2d(module.in_channels, weight.shape[0], module.kernel_size, module.stride)
    raise TypeError(type(module))


def main():
    torch.set_num_threads(1)
    name, checkpoint, image = sys.argv[1:]
    state = torch.load(checkpoint, weights_only=True)
    data = np.fromfile(image, dtype="<f4")
    side = round((data.size / 3) ** 0.5)
    model = timm.create_model(name, img_size=side, num_classes=state["head.fc.weight"].shape[0]).eval()
    heads = {}
    for path, module in list(model.named_modules()):
        if isinstance(module, (nn.Linear, nn.LayerNorm, nn.Conv2d)):
            parent, _, attribute = path.rpartition(".")
            setattr(model.get_submodule(parent), attribute, resized(module, state, path))
        elif type(module).__name__ == "WindowAttention":
            table = state[path + ".relative_position_bias_table"]
            module.num_heads = table.shape[1]
            module.relative_position_bias_table = nn.Parameter(torch.zeros_like(table))
            module.scale = (state[path + ".qkv.weight"].shape[0] // (3 * module.num_heads)) ** -0.5
            heads[path + ".qkv"] = module.num_heads
    model.load_state_dict(state, strict=True)
    with torch.no_grad():
        logits = model(torch.from_numpy(data.reshape(1, 3, side, side)))
    print(json.dumps({"logits": logits[0].tolist(), "heads": heads}))


main()

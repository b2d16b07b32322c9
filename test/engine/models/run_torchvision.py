"""Saves state dicts of torchvision's networks and prints their logits: usage run_torchvision.py FOLDER IMAGE.input SIDE

Writes vit.pth (for SIDE × SIDE), swin.pth, regnet.pth, densenet.pth with the names of torchvision before 0.3, convnext.pth,
swin_module.pth and convnext_module.pth (the whole modules). Prints the logits of the image by file, as JSON.
"""
import json
import os
import re
import sys

import numpy as np
import torch
from fill_random import fill
from torchvision.models import convnext_tiny, densenet121, regnet_y_400mf
from torchvision.models.swin_transformer import SwinTransformer
from torchvision.models.vision_transformer import VisionTransformer


def networks(side):
    return {
        "vit": VisionTransformer(side, 16, num_layers=3, num_heads=3, hidden_dim=192, mlp_dim=768, num_classes=7),
        "swin": SwinTransformer([4, 4], 96, [2, 1, 2, 1], [3, 6, 12, 24], [7, 7], num_classes=7),
        "regnet": regnet_y_400mf(num_classes=7),
        "densenet": densenet121(num_classes=7),
        "convnext": convnext_tiny(num_classes=7),
    }


def older(name):
    return re.sub(r"(\.denselayer\d+\.(?:norm|conv))([12])\.", r"\1.\2.", name)


def main():
    torch.set_num_threads(1)
    folder, image, side = sys.argv[1], sys.argv[2], int(sys.argv[3])
    x = torch.from_numpy(np.fromfile(image, dtype="<f4").reshape(1, 3, side, side))
    results = {}
    for name, model in networks(side).items():
        model.eval()
        fill(model)
        state = {(older(key) if name == "densenet" else key): value for key, value in model.state_dict().items()}
        torch.save(state, os.path.join(folder, name + ".pth"))
        with torch.no_grad():
            results[name] = model(x)[0].tolist()
        if name in ("swin", "convnext"):
            torch.save(model, os.path.join(folder, name + "_module.pth"))
            results[name + "_module"] = results[name]
    print(json.dumps(results))


main()

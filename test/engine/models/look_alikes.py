"""State dicts of networks of timm and torchvision with shaken weights: usage look_alikes.py FOLDER [names]

FOLDER holds SIDE.input, the deterministic image of each side. Reads LIBRARY:NAME from standard input, a line each, writes
LIBRARY:NAME.pth and answers with a line of JSON: side and logits, or why PyTorch cannot run it. `names`: prints the shapes
of all names' state dicts instead.
"""
import json
import os
import sys

import numpy as np
import torch

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

CLASSES = 10
SMALL = 64
"""Image of networks that take any size."""
PATCHES = 4
"""Patches along the side of a vision transformer's image."""


def library(name):
    if name == "torchvision":
        import torchvision

        return torchvision
    from timm_without_torchvision import timm

    return timm


def make(source, name):
    """A network and the side of its image, as small as the network allows."""
    lib = library(source)
    if source == "torchvision":
        model = lib.models.get_model(name, weights=None, num_classes=CLASSES)
        fixed = name.startswith("vit_")
        return model, getattr(model, "image_size", 224) if fixed else 224 if name.startswith("swin") else SMALL
    model = lib.create_model(name, num_classes=CLASSES)
    embed = getattr(model, "patch_embed", None)
    patch = getattr(embed, "patch_size", None)
    if patch is None:
        return model, SMALL
    if hasattr(model, "pos_embed") and not name.startswith("swin"):
        side = patch[0] * PATCHES
        return lib.create_model(name, num_classes=CLASSES, img_size=side), side
    return model, embed.img_size[0]


def shake(model):
    """Weights and statistics such that every layer matters and no two networks agree by chance."""
    torch.manual_seed(1)
    for name, buffer in model.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(0, 0.1)
        if name.endswith("running_var"):
            buffer.uniform_(0.5, 1.5)
    for parameter in model.parameters():
        if parameter.ndim == 1:
            parameter.data.add_(torch.randn_like(parameter) * 0.1)
        elif parameter.ndim == 2 and parameter.std() < 0.05:
            parameter.data.mul_(3)
    return model.eval()


def run(folder, source, name):
    torch.manual_seed(0)
    model, side = make(source, name)
    shake(model)
    x = torch.from_numpy(np.fromfile(os.path.join(folder, f"{side}.input"), dtype="<f4").reshape(1, 3, side, side))
    with torch.no_grad():
        logits = model(x)[0]
    torch.save(model.state_dict(), os.path.join(folder, f"{source}:{name}.pth"))
    return {"side": side, "logits": logits.tolist()}


def shapes():
    """A line for each name with the shapes of its state dict, built without memory where the network allows."""
    from timm_without_torchvision import timm

    names = [("timm", name, lambda name=name: timm.create_model(name)) for name in timm.list_models()]
    import torchvision

    models = torchvision.models
    names += [
        ("torchvision", name, lambda name=name: models.get_model(name, weights=None))
        for name in models.list_models(module=models)
    ]
    for source, name, build in names:
        try:
            try:
                with torch.device("meta"):
                    model = build()
            except (NotImplementedError, RuntimeError):
                model = build()
            entries = {key: list(value.shape) for key, value in model.state_dict().items()}
            print(json.dumps({"name": f"{source}:{name}", "shapes": entries}), flush=True)
        except Exception as error:
            print(json.dumps({"name": f"{source}:{name}", "error": str(error)[:200]}), flush=True)


def main():
    torch.set_num_threads(1)
    folder = sys.argv[1]
    if sys.argv[2:] == ["names"]:
        shapes()
        return
    for line in sys.stdin:
        full = line.strip()
        source, name = full.split(":")
        try:
            result = run(folder, source, name)
        except Exception as error:
            result = {"error": f"{type(error).__name__}: {error}"[:300]}
        print(json.dumps({"name": full, **result}), flush=True)


main()

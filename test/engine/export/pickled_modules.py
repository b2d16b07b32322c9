"""Whole modules as timm and torchvision make them: usage pickled_modules.py make FOLDER NAME…, pickled_modules.py load FOLDER NAME…

make: NAME is LIBRARY:MODEL[:SIZE], with weights filled from its names; writes MODEL.pth by torch.save(model, …).
load: opens NAME.pth as the paper's scripts do, with its image in NAME.input. Prints for each its logits, the class of every
module and the figures among its attributes, and saves it again as NAME.again.pth.
"""
import json
import os
import sys

import numpy as np
import torch

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../models"))
from fill_random import fill  # noqa: E402


def make(folder, text):
    library, name, *size = text.split(":")
    if library == "timm":
        import timm

        options = {"img_size": int(size[0])} if size else {}
        model = timm.create_model(name, **options)
    else:
        import torchvision

        model = getattr(torchvision.models, name)(weights=None)
    model.eval()
    fill(model)
    torch.save(model, os.path.join(folder, name + ".pth"))
    return list(model.state_dict())


def figures(module):
    """Attributes that say sizes, by path."""
    kinds = (int, float, tuple)
    found = {}
    for path, part in module.named_modules():
        own = {k: v for k, v in vars(part).items() if not k.startswith("_") and k != "training"}
        found[path] = {"class": type(part).__module__ + "." + type(part).__qualname__}
        found[path].update({k: v for k, v in own.items() if isinstance(v, kinds)})
    return found


def load(folder, name):
    model = torch.load(os.path.join(folder, name + ".pth"), map_location="cpu", weights_only=False)
    data = np.fromfile(os.path.join(folder, name + ".input"), dtype="<f4")
    side = round((data.size / 3) ** 0.5)
    model.eval()
    with torch.no_grad():
        logits = model(torch.from_numpy(data.reshape(1, 3, side, side)))[0]
    torch.save(model, os.path.join(folder, name + ".again.pth"))
    # What training does: every parameter takes part (and running statistics change, so this comes last).
    model.train()
    outputs = model(torch.from_numpy(np.concatenate([data, data * 0.5]).reshape(2, 3, side, side)))
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    sum(y.float().pow(2).sum() for y in outputs).backward()
    idle = [n for n, p in model.named_parameters() if p.grad is None and p.requires_grad]
    return {
        "logits": logits.tolist(),
        "idle": idle,
        "state": list(model.state_dict()),
        "modules": json.loads(json.dumps(figures(model), default=str)),
    }


def main():
    torch.set_num_threads(1)
    command, folder, *names = sys.argv[1:]
    run = {"make": make, "load": load}[command]
    print(json.dumps({name: run(folder, name) for name in names}))


main()

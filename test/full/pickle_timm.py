"""Pickles whole timm networks as the paper's scripts do: usage pickle_timm.py FOLDER IMAGE.input NAME…

Writes NAME.pth for each, and prints the first logits of the image, the stochastic depth of each block and the dropout
before the classifier, as JSON.
"""
import json
import os
import sys

import numpy as np
import torch

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../engine/models"))
from fill_random import fill  # noqa: E402
from timm_without_torchvision import timm  # noqa: E402


def main():
    torch.set_num_threads(1)
    folder, image, *names = sys.argv[1:]
    data = np.fromfile(image, dtype="<f4")
    side = round((data.size / 3) ** 0.5)
    x = torch.from_numpy(data.reshape(1, 3, side, side))
    results = {}
    for name in names:
        plain = name.startswith(("densenet", "vgg"))
        model = timm.create_model(name, drop_rate=0.2, **({} if plain else {"drop_path_rate": 0.1})).eval()
        fill(model)
        torch.save(model, os.path.join(folder, name + ".pth"))
        with torch.no_grad():
            logits = model(x)[0]
        rates = {path: float(m.drop_prob) for path, m in model.named_modules() if type(m).__name__ == "DropPath"}
        results[name] = {"logits": logits.tolist(), "rates": rates}
    print(json.dumps(results))


main()

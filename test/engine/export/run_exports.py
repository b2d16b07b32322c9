"""Runs exported models for the tests: usage run_exports.py pytorch|onnx FOLDER NAME…

Each NAME has NAME.py and NAME.pth (or NAME.onnx) in FOLDER, and the image [1, C, H, W] as float32 in NAME.input.
Prints one JSON object: for each name the logits of the image, of the same image in a batch of two, and for PyTorch what a
model in training mode returns.
"""
import importlib.util
import json
import os
import sys

import numpy as np


def image(folder, name):
    data = np.fromfile(os.path.join(folder, name + ".input"), dtype="<f4")
    side = round((data.size / 3) ** 0.5)
    return data.reshape(1, 3, side, side)


def batch(x):
    return np.concatenate([x * 0.5, x])


def run_pytorch(folder, name):
    import torch

    torch.set_num_threads(1)
    path = os.path.join(folder, name + ".py")
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    model = module.load()
    x = image(folder, name)
    state = torch.load(os.path.join(folder, name + ".pth"), weights_only=True)
    with torch.no_grad():
        one = model(torch.from_numpy(x))
        two = model(torch.from_numpy(batch(x)))
        model.train()
        outputs = model(torch.from_numpy(batch(x)))
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    return {
        "logits": one[0].tolist(),
        "batched": two[1].tolist(),
        "training": [list(y.shape) for y in outputs],
        "parameters": sum(p.numel() for p in model.parameters()),
        "state": {key: list(value.shape) for key, value in state.items()},
        "same_state": list(state) == list(model.state_dict()),
    }


def run_onnx(folder, name):
    import onnxruntime

    session = onnxruntime.InferenceSession(os.path.join(folder, name + ".onnx"), providers=["CPUExecutionProvider"])
    x = image(folder, name)
    (one,) = session.run(None, {"input": x})
    (two,) = session.run(None, {"input": batch(x)})
    return {"logits": one[0].tolist(), "batched": two[1].tolist()}


def main():
    kind, folder, *names = sys.argv[1:]
    run = {"pytorch": run_pytorch, "onnx": run_onnx}[kind]
    print(json.dumps({name: run(folder, name) for name in names}))


main()

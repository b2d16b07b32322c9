"""Runs ONNX files for the tests: usage run_onnx.py FOLDER NAME…

Each NAME has NAME.onnx in FOLDER, and its image as float32 in NAME.input, or several where it takes any number. Prints the logits by name as one JSON object.
"""
import json
import os
import sys

import numpy as np
import onnxruntime


onnxruntime.set_default_logger_severity(3)


def run(folder, name):
    session = onnxruntime.InferenceSession(os.path.join(folder, name + ".onnx"), providers=["CPUExecutionProvider"])
    (entry,) = session.get_inputs()
    shape = [size if isinstance(size, int) else -1 for size in entry.shape]
    data = np.fromfile(os.path.join(folder, name + ".input"), dtype="<f4").reshape(shape)
    return session.run(None, {entry.name: data})[0].reshape(-1).tolist()


folder, *names = sys.argv[1:]
print(json.dumps({name: run(folder, name) for name in names}))

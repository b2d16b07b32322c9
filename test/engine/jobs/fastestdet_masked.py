"""Compares a pruned ONNX file with the dense one whose lost channels are zero, both in ONNX Runtime. Which channels a convolution lost
is read off the files: its biases are a part of the dense one's. Prints JSON."""

import json
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper


def convolutions(model):
    """Names of weight and bias, and the biases, of every convolution."""
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    nodes = [node for node in model.graph.node if node.op_type == "Conv"]
    return [(node.input[1], node.input[2], numpy_helper.to_array(tensors[node.input[2]])) for node in nodes]


def run(model, image):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: image})[0]


dense, pruned = (onnx.load(path) for path in sys.argv[1:3])
theirs = convolutions(dense)
masks = {}
for _, _, left in convolutions(pruned):
    own = set(left.tolist())
    found = [name for name in theirs if own <= set(name[2].tolist()) and name[0] not in masks]
    assert found, "a convolution of the pruned file has biases that no dense one has"
    best = min(found, key=lambda name: len(name[2]))
    masks[best[0]] = np.array([value in own for value in best[2].tolist()])
    masks[best[1]] = masks[best[0]]
for tensor in dense.graph.initializer:
    if tensor.name in masks:
        values = numpy_helper.to_array(tensor).copy()
        values[~masks[tensor.name]] = 0
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
shape = [size.dim_value for size in dense.graph.input[0].type.tensor_type.shape.dim]
image = np.random.default_rng(0).random(shape, dtype=np.float32)
wanted, got = run(dense, image), run(pruned, image)
lost = sum(int((~mask).sum()) for name, mask in masks.items()) // 2
print(
    json.dumps(
        dict(
            difference=float(np.abs(wanted - got).max() / np.abs(wanted).max()),
            lost=lost,
            names=[[value.name for value in model.graph.input] + [value.name for value in model.graph.output] for model in (dense, pruned)],
        )
    )
)

"""Small random ONNX classifiers and what ONNX Runtime makes of an image: random_onnx.py FOLDER FIRST COUNT

FOLDER holds `image.input`, float32 [1, 3, 12, 12]. Writes SEED.onnx and prints a line of JSON each: seed, logits, operators.
Layers come in every form that their operator allows: paddings of either side, dilation, ceil mode, coordinates, broadcast constants.
"""
import json
import os
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

SIDE = 12
CLASSES = 5


class Skip(Exception):
    """The draw does not fit the shape at hand."""


class Network:
    def __init__(self, seed, image):
        self.random = np.random.default_rng(seed)
        self.opset = int(self.pick([11, 13, 17, 18, 21]))
        self.nodes, self.constants, self.operators = [], [], []
        self.image = image
        self.count = 0

    def pick(self, values):
        return values[int(self.random.integers(len(values)))]

    def chance(self, share):
        return self.random.random() < share

    def const(self, value, integers=False):
        self.count += 1
        name = f"c{self.count}"
        array = np.asarray(value, dtype=np.int64 if integers else np.float32)
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def weights(self, *shape, scale=None):
        fan = int(np.prod(shape[1:])) or 1
        return self.const(self.random.normal(0, scale or fan**-0.5, shape))

    def op(self, kind, inputs, outputs=1, **attributes):
        self.count += 1
        names = [f"v{self.count}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, inputs, names, name=f"{kind}_{self.count}", **attributes))
        return names[0] if outputs == 1 else names

    def model(self, output):
        graph = helper.make_graph(
            self.nodes,
            "random",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, SIDE, SIDE])],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
            self.constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)])
        model.ir_version = 8
        return model

    def run(self, output, images=None):
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(self.model(output).SerializeToString(), options, ["CPUExecutionProvider"])
        return session.run(None, {"x": self.image if images is None else images})[0]

    def axes_input(self, axes, since):
        """Axes as an attribute or as an input, by the operator set."""
        if self.opset >= since:
            return [self.const(axes, integers=True)], {}
        return [], {"axes": list(axes)}


def pads(n, most=2):
    return [int(v) for v in n.random.integers(0, most + 1, 4)]


def conv(n, x, s):
    kernel = n.pick([[1, 1], [3, 3], [3, 3], [5, 5], [1, 3], [2, 2]])
    groups = n.pick([g for g in (1, 1, 2, s[1]) if s[1] % g == 0])
    out = groups * int(n.random.integers(1, 4)) if groups > 1 else n.pick([4, 6, 8])
    attributes = {"kernel_shape": kernel, "group": groups, "strides": n.pick([[1, 1], [2, 2], [2, 1]])}
    if n.chance(0.3):
        attributes["auto_pad"] = n.pick(["SAME_UPPER", "SAME_LOWER", "VALID"])
    else:
        attributes["pads"] = pads(n)
        attributes["dilations"] = n.pick([[1, 1], [2, 2], [1, 2]])
    bias = [n.weights(out, scale=0.1)] if n.chance(0.5) else []
    return n.op("Conv", [x, n.weights(out, s[1] // groups, *kernel), *bias], **attributes)


def conv_transpose(n, x, s):
    kernel = n.pick([[2, 2], [3, 3], [4, 4]])
    stride = n.pick([[1, 1], [2, 2]])
    groups = n.pick([g for g in (1, 2) if s[1] % g == 0])
    attributes = {"kernel_shape": kernel, "strides": stride, "group": groups, "pads": pads(n, 1)}
    if stride[0] > 1 and n.chance(0.5):
        attributes["output_padding"] = [1, 1]
    return n.op("ConvTranspose", [x, n.weights(s[1], 6 // groups, *kernel)], **attributes)


def pool(n, x, s):
    kind = n.pick(["MaxPool", "AveragePool"])
    kernel = n.pick([[2, 2], [3, 3], [3, 2]])
    attributes = {"kernel_shape": kernel, "strides": n.pick([[1, 1], [2, 2], [3, 3]])}
    if n.chance(0.25):
        attributes["auto_pad"] = n.pick(["SAME_UPPER", "SAME_LOWER"])
    else:
        attributes["pads"] = pads(n, 1)
        attributes["ceil_mode"] = int(n.chance(0.5))
    if kind == "AveragePool":
        attributes["count_include_pad"] = int(n.chance(0.5))
    elif n.chance(0.3):
        attributes["dilations"] = [2, 2]
    return n.op(kind, [x], **attributes)


def pad(n, x, s):
    mode = n.pick(["constant", "constant", "reflect", "edge"])
    low = -1 if mode == "constant" and n.chance(0.3) else 0
    around = [int(v) for v in n.random.integers(low, 3, 4)]
    inputs = [x, n.const([0, 0, around[0], around[1], 0, 0, around[2], around[3]], integers=True)]
    if mode == "constant" and n.chance(0.5):
        inputs.append(n.const(n.random.normal()))
    return n.op("Pad", inputs, mode=mode)


def pad_channels(n, x, s):
    return n.op("Pad", [x, n.const([0, 1, 0, 0, 0, 2, 0, 0], integers=True)])


def resize(n, x, s):
    mode = n.pick(["nearest", "nearest", "linear", "cubic"])
    attributes = {"mode": mode}
    modes = ["half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"]
    attributes["coordinate_transformation_mode"] = n.pick(modes)
    if mode == "nearest":
        attributes["nearest_mode"] = n.pick(["floor", "ceil", "round_prefer_floor", "round_prefer_ceil"])
    if mode == "cubic":
        attributes["cubic_coeff_a"] = n.pick([-0.5, -0.75])
    if n.chance(0.5):
        scales = n.const([1, 1, *n.pick([[2, 2], [1.5, 1.5], [0.5, 0.5], [2, 1]])])
        return n.op("Resize", [x, "", scales], **attributes)
    sizes = n.const([1, s[1], *[int(v) for v in n.random.integers(4, 15, 2)]], integers=True)
    return n.op("Resize", [x, "", "", sizes], **attributes)


def activation(n, x, s):
    kind = n.pick(
        "Relu LeakyRelu Elu Selu Celu HardSigmoid HardSwish Softplus Softsign ThresholdedRelu Tanh Sigmoid Abs Neg Erf Floor Sign Sin Exp".split()
    )
    if kind == "HardSwish" and n.opset < 14:
        raise Skip()
    known = {
        "LeakyRelu": {"alpha": 0.3},
        "Elu": {"alpha": 0.7},
        "Celu": {"alpha": 0.6},
        "HardSigmoid": {"alpha": 0.3, "beta": 0.4},
        "ThresholdedRelu": {"alpha": 0.4},
        "Selu": {"alpha": 1.4, "gamma": 1.2},
    }
    return n.op(kind, [x], **(known.get(kind, {}) if n.chance(0.6) else {}))


def clip(n, x, s):
    low, high = n.const(n.pick([-0.5, 0.0, 0.1])), n.const(n.pick([0.6, 1.0, 6.0]))
    return n.op("Clip", n.pick([[x, low, high], [x, low], [x, "", high]]))


def prelu(n, x, s):
    shape = n.pick([[s[1], 1, 1], [1], [s[1], s[2], s[3]], [1, 1, 1]])
    return n.op("PRelu", [x, n.weights(*shape, scale=0.5)])


def norm(n, x, s):
    kind = n.pick(["BatchNormalization", "InstanceNormalization", "LRN", "LpNormalization", "LayerNormalization"])
    c = s[1]
    eps = n.pick([1e-5, 1e-3, 0.1])
    if kind == "BatchNormalization":
        parts = [n.weights(c, scale=1), n.weights(c, scale=1), n.weights(c, scale=0.3)]
        return n.op(kind, [x, *parts, n.const(n.random.uniform(0.5, 2, c))], epsilon=eps)
    if kind == "InstanceNormalization":
        return n.op(kind, [x, n.weights(c, scale=1), n.weights(c, scale=1)], epsilon=eps)
    if kind == "LRN":
        return n.op(kind, [x], size=3, alpha=0.1, beta=0.6, bias=1.2)
    if kind == "LpNormalization":
        return n.op(kind, [x], axis=n.pick([1, -1, 2]), p=n.pick([1, 2]))
    if n.opset < 17:
        raise Skip()
    axis = n.pick([-1, 2, 1])
    shape = s[axis:]
    return n.op(kind, [x, n.weights(*shape, scale=1), n.weights(*shape, scale=1)], axis=axis, epsilon=eps)


def softmax(n, x, s):
    kind = n.pick(["Softmax", "LogSoftmax"])
    return n.op(kind, [x], **({"axis": n.pick([1, -1, 2, 3, -2])} if n.chance(0.8) else {}))


def constant_operand(n, x, s):
    kind = n.pick(["Add", "Sub", "Mul", "Div", "Max", "Min", "Pow"])
    shape = n.pick([[1, s[1], 1, 1], [s[1], 1, 1], [1], [], [s[2], s[3]], [1, 1, 1, s[3]], [s[3]], [1, s[1], s[2], s[3]]])
    value = n.random.uniform(0.5, 2, shape) * n.pick([1, 1, -1])
    if kind == "Pow":
        return n.op(kind, [n.op("Abs", [x]), n.const(n.pick([2.0, 0.5, 3.0, 1.0]))])
    operands = [x, n.const(value)]
    if n.chance(0.4):
        operands.reverse()
        if kind == "Div":
            operands[1] = n.op("Add", [n.op("Abs", [x]), n.const(0.5)])
    return n.op(kind, operands)


def two_branches(n, x, s):
    other = n.op("Conv", [x, n.weights(s[1], s[1], 3, 3)], pads=[1, 1, 1, 1])
    kind = n.pick(["Add", "Sub", "Mul", "Max", "Min", "Sum", "Mean", "Concat", "ConcatSpace", "Div"])
    operands = [x, other] if n.chance(0.5) else [other, x]
    if kind == "Concat":
        return n.op("Concat", [*operands, x], axis=n.pick([1, -3]))
    if kind == "ConcatSpace":
        return n.op("Concat", operands, axis=n.pick([2, 3, -1]))
    if kind == "Div":
        return n.op("Div", [operands[0], n.op("Add", [n.op("Exp", [operands[1]]), n.const(1.0)])])
    return n.op(kind, operands)


def reduced(n, x, s):
    kind = n.pick("ReduceMean ReduceMax ReduceMin ReduceSum ReduceL2 ReduceL1 ReduceSumSquare ReduceLogSumExp".split())
    axes = n.pick([[2, 3], [1], [-1], [-2, -1], [1, 2, 3], [3]])
    inputs, attributes = n.axes_input(axes, 13 if kind == "ReduceSum" else 18)
    keep = n.chance(0.7)
    y = n.op(kind, [x, *inputs], keepdims=int(keep), **attributes)
    if not keep:
        places = sorted(a % 4 for a in axes)
        inputs, attributes = n.axes_input(places, 13)
        y = n.op("Unsqueeze", [y, *inputs], **attributes)
    return n.op(n.pick(["Mul", "Add", "Sub"]), [x, n.op("Sigmoid", [y])])


def squeeze_excite(n, x, s):
    y = n.op(n.pick(["GlobalAveragePool", "GlobalMaxPool"]), [x])
    y = n.op("Relu", [n.op("Conv", [y, n.weights(3, s[1], 1, 1)])])
    y = n.op("Conv", [y, n.weights(s[1], 3, 1, 1), n.weights(s[1])])
    return n.op("Mul", [x, n.op(n.pick(["Sigmoid", "HardSigmoid"]), [y])])


def split(n, x, s):
    axis = n.pick([1, 1, -3, 2])
    size = s[axis]
    if size < 3:
        raise Skip()
    first = int(n.random.integers(1, size))
    sizes = [first, size - first]
    if n.opset >= 13:
        a, b = n.op("Split", [x, n.const(sizes, integers=True)], 2, axis=axis)
    else:
        a, b = n.op("Split", [x], 2, axis=axis, split=sizes)
    return n.op("Concat", n.pick([[b, a], [a, n.op("Relu", [b])], [b, a, b]]), axis=axis)


def sliced(n, x, s):
    axis = n.pick([1, 2, 3, -1])
    size = s[axis]
    start, end, step = n.pick(
        [(1, 2**31 - 1, 1), (0, -1, 1), (0, size, 2), (-2, size + 9, 1), (-1, -(2**31), -1), (1, 2**31 - 1, 2), (size, 0, -2)]
    )
    parts = [n.const([v], integers=True) for v in (start, end, axis, step)]
    return n.op("Slice", [x, *parts])


def gathered(n, x, s):
    axis = n.pick([1, 1, 2])
    count = int(n.random.integers(2, s[axis] + 2))
    indices = n.random.integers(-s[axis] if n.chance(0.3) else 0, s[axis], count)
    return n.op("Gather", [x, n.const(indices, integers=True)], axis=axis)


def transposed(n, x, s):
    permutation = n.pick([[0, 2, 3, 1], [0, 1, 3, 2], [0, 3, 2, 1]])
    y = n.op("Transpose", [x], perm=permutation)
    if permutation == [0, 2, 3, 1]:
        y = n.op("Add", [n.op("MatMul", [y, n.weights(s[1], 6)]), n.weights(6)])
        return n.op("Transpose", [y], perm=[0, 3, 1, 2])
    return y


def reshaped(n, x, s):
    _, c, h, w = s
    y = n.op("Reshape", [x, n.const([0, c, -1], integers=True)])
    if n.chance(0.5):
        y = n.op("MatMul", [y, n.weights(h * w, h * w)])
    else:
        y = n.op("MatMul", [n.weights(c, c), y])
    return n.op("Reshape", [y, n.const(n.pick([[-1, c, h, w], [0, c, h, -1], [0, -1, h, w]]), integers=True)])


def shuffled(n, x, s):
    _, c, h, w = s
    if c % 2:
        raise Skip()
    y = n.op("Reshape", [x, n.const([-1, 2, c // 2, h, w], integers=True)])
    y = n.op("Transpose", [y], perm=[0, 2, 1, 3, 4])
    return n.op("Reshape", [y, n.const([-1, c, h, w], integers=True)])


def space(n, x, s):
    if s[1] % 4 == 0 and n.chance(0.5):
        return n.op("DepthToSpace", [x], blocksize=2, mode=n.pick(["DCR", "CRD"]))
    if s[2] % 2 or s[3] % 2:
        raise Skip()
    return n.op("SpaceToDepth", [x], blocksize=2)


def repeated(n, x, s):
    y = n.op("Tile", [x, n.const(n.pick([[1, 2, 1, 1], [1, 1, 2, 1]]), integers=True)])
    return y


def chosen(n, x, s):
    n.count += 1
    name = f"m{n.count}"
    mask = n.random.random(n.pick([(1, s[1], 1, 1), (s[2], s[3])])) < 0.5
    n.constants.append(numpy_helper.from_array(mask, name))
    return n.op("Where", n.pick([[name, x, n.const(0.3)], [name, n.const(-0.2), x]]))


def attention(n, x, s):
    _, c, h, w = s
    if c % 2 or h * w > 100:
        raise Skip()
    y = n.op("Transpose", [n.op("Reshape", [x, n.const([0, c, -1], integers=True)])], perm=[0, 2, 1])

    def heads(last):
        z = n.op("Add", [n.op("MatMul", [y, n.weights(c, c)]), n.weights(c)])
        z = n.op("Reshape", [z, n.const([0, -1, 2, c // 2], integers=True)])
        return n.op("Transpose", [z], perm=last)

    q, k, v = heads([0, 2, 1, 3]), heads([0, 2, 3, 1]), heads([0, 2, 1, 3])
    scores = n.op("Mul", [n.op("MatMul", [q, k]), n.const(n.pick([(c // 2) ** -0.5, 0.37]))])
    z = n.op("MatMul", [n.op("Softmax", [scores], axis=-1), v])
    z = n.op("Reshape", [n.op("Transpose", [z], perm=[0, 2, 1, 3]), n.const([0, -1, c], integers=True)])
    z = n.op("MatMul", [z, n.weights(c, c)])
    return n.op("Reshape", [n.op("Transpose", [z], perm=[0, 2, 1]), n.const([0, c, h, w], integers=True)])


LAYERS = [
    conv, conv, conv, conv_transpose, pool, pool, pad, pad_channels, resize, activation, activation, clip, prelu, norm, norm, softmax,
    constant_operand, constant_operand, two_branches, two_branches, reduced, squeeze_excite, split, sliced, gathered, transposed,
    reshaped, shuffled, space, repeated, chosen, attention,
]  # fmt: skip


def tail(n, x, s):
    c = s[1]
    form = n.pick(["pool", "mean", "flat", "max"])
    if form == "flat" and c * s[2] * s[3] <= 512:
        y, size = n.op("Flatten", [x], **({"axis": n.pick([1, -3])} if n.chance(0.5) else {})), c * s[2] * s[3]
    elif form == "mean":
        inputs, attributes = n.axes_input([2, 3], 18)
        y, size = n.op("ReduceMean", [x, *inputs], keepdims=0, **attributes), c
    else:
        y, size = n.op("Flatten", [n.op("GlobalMaxPool" if form == "max" else "GlobalAveragePool", [x])]), c
    if n.chance(0.3):
        return n.op("Add", [n.op("MatMul", [y, n.weights(size, CLASSES)]), n.weights(CLASSES)])
    attributes = n.pick([{}, {"alpha": 0.5, "beta": 2.0}, {"beta": 0.5}])
    weight = n.weights(CLASSES, size)
    if n.chance(0.4):
        return n.op("Gemm", [y, n.weights(size, CLASSES), n.weights(CLASSES)], **attributes)
    return n.op("Gemm", [y, weight, n.pick([n.weights(CLASSES), n.weights(1, CLASSES), n.const(0.3)])], transB=1, **attributes)


def make(seed, image):
    n = Network(seed, image)
    x = n.op("Relu", [n.op("Conv", ["x", n.weights(8, 3, 3, 3), n.weights(8)], pads=[1, 1, 1, 1])])
    wanted = int(n.random.integers(1, 4))
    while len(n.operators) < wanted:
        layer = n.pick(LAYERS)
        kept = len(n.nodes), len(n.constants)
        try:
            shape = n.run(x).shape
            y = layer(n, x, list(shape))
            found = n.run(y)
        except Exception:
            del n.nodes[kept[0] :], n.constants[kept[1] :]
            continue
        if found.ndim != 4 or found.shape[0] != 1 or min(found.shape) < 1 or found.size > 20000 or not np.isfinite(found).all():
            del n.nodes[kept[0] :], n.constants[kept[1] :]
            continue
        n.operators.append(layer.__name__)
        x = y
        if n.chance(0.5):
            c = found.shape[1]
            x = n.op("Conv", [x, n.weights(6, c, 1, 1), n.weights(6)])
    output = tail(n, x, list(n.run(x).shape))
    logits = n.run(output)
    model = n.model(output)
    inferred = model.graph.output[0].type.tensor_type
    inferred.elem_type = TensorProto.FLOAT
    del inferred.shape.dim[:]
    for size in ["N", CLASSES]:
        dim = inferred.shape.dim.add()
        setattr(dim, "dim_param" if size == "N" else "dim_value", size)
    return model, logits[0].tolist(), [f"opset {n.opset}", *n.operators]


def main():
    folder, first, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    image = np.fromfile(os.path.join(folder, "image.input"), dtype="<f4").reshape(1, 3, SIDE, SIDE)
    for seed in range(first, first + count):
        try:
            model, logits, operators = make(seed, image)
        except Exception as error:  # what ONNX Runtime does not take is no case
            print(f"{seed}: {error}"[:200], file=sys.stderr)
            continue
        onnx.save(model, os.path.join(folder, f"{seed}.onnx"))
        print(json.dumps({"seed": seed, "logits": logits, "operators": operators}), flush=True)


main()

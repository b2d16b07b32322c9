"""Small classifiers whose first operations prepare the image: first_operations.py FOLDER. Prints their names."""
import json, os, sys
import numpy as np
from onnx import TensorProto, helper, numpy_helper, save

folder = sys.argv[1]
names = []
rng = np.random.default_rng(0)


def write(name, operations, element=TensorProto.FLOAT, last=False):
    """operations: (operator, constant or None, whether the constant comes first)."""
    nodes, tensors, value = [], [], 'image'
    def step(kind, *inputs, **attributes):
        output = f'v{len(nodes)}'
        nodes.append(helper.make_node(kind, list(inputs), [output], name=f'{kind}_{len(nodes)}', **attributes))
        return output
    def constant(array):
        tensor = f'c{len(tensors)}'
        tensors.append(numpy_helper.from_array(np.asarray(array, np.float32), tensor))
        return tensor
    for kind, operand, *first in operations:
        if kind == 'Cast': value = step('Cast', value, to=TensorProto.FLOAT)
        elif kind == 'BatchNormalization': value = step(kind, value, *map(constant, operand), epsilon=1e-5)
        elif kind == 'Transpose': value = step(kind, value, perm=operand)
        elif first: value = step(kind, constant(operand), value)
        else: value = step(kind, value, constant(operand))
    if last: value = step('Transpose', value, perm=[0, 3, 1, 2])
    value = step('Conv', value, constant(rng.standard_normal((4, 3, 3, 3))), kernel_shape=[3, 3])
    value = step('Relu', value)
    value = step('GlobalAveragePool', value)
    value = step('Flatten', value)
    value = step('Gemm', value, constant(rng.standard_normal((5, 4))), transB=1)
    shape = ['n', 32, 32, 3] if last else ['n', 3, 32, 32]
    graph = helper.make_graph(nodes, 'net', [helper.make_tensor_value_info('image', element, shape)],
                              [helper.make_tensor_value_info(value, TensorProto.FLOAT, ['n', 5])], tensors)
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid('', 13)], ir_version=8), os.path.join(folder, f'{name}.onnx'))
    names.append(name)


mean, std = np.array([.485, .456, .406]), np.array([.229, .224, .225])
of = lambda values: np.asarray(values).reshape(1, 3, 1, 1)
write('none', [])
write('unit, mean and std', [('Sub', of(mean)), ('Div', of(std))])
write('unit, by factors', [('Mul', of(1 / std)), ('Add', of(-mean / std))])
write('unit, 2x - 1', [('Mul', 2), ('Sub', 1)])
write('unit, scaled up', [('Mul', 255), ('Sub', of(mean * 255)), ('Div', of(std * 255))])
write('unit, scaled up only', [('Mul', 255)])
write('unit, channels last', [('Sub', mean), ('Div', std)], last=True)
write('wide, by 255', [('Div', 255)])
write('wide, by a 255th', [('Mul', 1 / 255), ('Sub', of(mean)), ('Div', of(std))])
write('wide, 127.5', [('Sub', 127.5), ('Div', 127.5)])
write('wide, mean only', [('Sub', of([123.68, 116.78, 103.94]))])
write('wide, turned', [('Sub', 255, True), ('Div', 255)])
write('wide, channels last', [('Div', 255), ('Sub', mean), ('Div', std)], last=True)
write('wide, batch norm', [('BatchNormalization', ([1] * 3, [0] * 3, mean * 255, (std * 255) ** 2))])
write('whole numbers', [('Cast', None), ('Div', 255)], TensorProto.UINT8)
write('whole numbers, nothing else', [('Cast', None)], TensorProto.INT32)
write('normalised, batch norm', [('BatchNormalization', ([1] * 3, [0] * 3, [.01] * 3, [1.] * 3))])
write('normalised, again', [('Mul', of(std / .5)), ('Add', of((mean - .5) / .5))])
write('refused', [('Cast', None)], TensorProto.INT8)
print(json.dumps(names))

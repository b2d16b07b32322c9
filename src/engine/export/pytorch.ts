/** A Graph as one self-contained Python file: an `nn.Module` with the Graph's widths and the original state-dict names. */
import { deflateSync } from 'node:zlib';
import type { Graph, GraphNode, ValueId } from '../graph/graph.ts';
import { parametersByName } from '../graph/graph.ts';
import {
  isLayerKind,
  type LayerKind,
  type OperationKind,
  type ParameterRole,
  type Shape,
} from '../graph/operations.ts';
import { inferShapes } from '../graph/shapes.ts';
import { evenPadding, type PythonScope, pythonEmitters } from './python-nodes.ts';
import { attributePath, listed, PythonCode, PythonVariables, py } from './python-writer.ts';

const description = ({ name, input, classes }: Graph, weightsFile: string): PythonCode =>
  PythonCode.docstring(`${name}, pruned to the widths below. Written by Espalier; needs PyTorch and nothing else.

    model = load()                # weights from ${weightsFile}
    logits = model(images)        # [N, ${input.channels}, ${input.height}, ${input.width}] to [N, ${classes}]

Images: shorter side ${input.resize} (${input.interpolation}), centre crop ${input.height} x ${input.width}, scaled to 0...1,
minus (${input.mean.join(', ')}), divided by (${input.std.join(', ')}).
`);

const PRELUDE = py`import base64
import os
import zlib

import torch
import torch.nn.functional as F
from torch import nn


class Modules(nn.Module):
    """A namespace of modules; numbered ones are reached by index."""

    def __getitem__(self, index):
        return getattr(self, str(index))


def put(root, path, value):
    """Sets root.a.b.c for the path "a.b.c", with a namespace wherever none is yet."""
    *parents, name = path.split(".")
    for parent in parents:
        if not hasattr(root, parent):
            root.add_module(parent, Modules())
        root = getattr(root, parent)
    setattr(root, name, value)


def constant(dtype, shape, text):
    data = bytearray(zlib.decompress(base64.b64decode(text)))
    return torch.frombuffer(data, dtype=dtype).reshape(shape)


def drop_path(x, probability, training):
    """Drops whole samples of a residual branch."""
    if probability == 0.0 or not training:
        return x
    keep = x.new_empty((x.shape[0],) + (1,) * (x.ndim - 1)).bernoulli_(1 - probability)
    return x * keep / (1 - probability)
`;

const loading = (weightsFile: string): PythonCode => py`def load(weights=None):
    """The model with its weights, in evaluation mode."""
    if weights is None:
        weights = os.path.join(os.path.dirname(os.path.abspath(__file__)), ${weightsFile})
    if str(weights).endswith(".safetensors"):
        from safetensors.torch import load_file

        state = load_file(weights)
    else:
        state = torch.load(weights, map_location="cpu", weights_only=True)
    model = Model()
    model.load_state_dict(state, strict=True)
    return model.eval()


if __name__ == "__main__":
    model = load()
    print(sum(p.numel() for p in model.parameters()), "parameters")
`;

const parentPath = (name: string): string => name.slice(0, Math.max(0, name.lastIndexOf('.')));

const attribute = (path: string): PythonCode => attributePath(py`self`, path);

/** Names in `forward` that are not the network's values. */
const TAKEN = [
  'self',
  'images',
  'torch',
  'nn',
  'F',
  'base64',
  'os',
  'zlib',
  'Modules',
  'put',
  'constant',
  'drop_path',
  'Model',
  'load',
  'float',
  'str',
  'super',
];

type Constructor<K extends OperationKind> = (node: GraphNode<K>, shape: readonly number[]) => PythonCode;

const hasBias = (node: GraphNode): boolean => node.parameters.bias !== undefined;

/** Modules that own parameters. */
const constructors: { readonly [K in LayerKind]: Constructor<K> } = {
  conv: (node, [out, perGroup]) => {
    const { kernel, stride, padding, dilation, groups } = node.attributes;
    const where = py`${kernel}, stride=${stride}, padding=${evenPadding(padding)}, dilation=${dilation}`;
    return py`nn.Conv2d(${perGroup * groups}, ${out}, ${where}, groups=${groups}, bias=${hasBias(node)})`;
  },
  convTranspose: (node, [into, perGroup]) => {
    const { kernel, stride, outputPadding, dilation, groups, padding } = node.attributes;
    const where = py`${kernel}, stride=${stride}, padding=${evenPadding(padding)}, output_padding=${outputPadding}`;
    return py`nn.ConvTranspose2d(${into}, ${perGroup * groups}, ${where}, groups=${groups}, bias=${hasBias(node)}, dilation=${dilation})`;
  },
  groupNorm: ({ attributes: { groups, eps } }, [channels]) => py`nn.GroupNorm(${groups}, ${channels}, eps=${eps})`,
  linear: (node, [out, into]) => py`nn.Linear(${into}, ${out}, bias=${hasBias(node)})`,
  batchNorm: ({ attributes: { eps, momentum } }, [channels]) =>
    py`nn.BatchNorm2d(${channels}, eps=${eps}, momentum=${momentum})`,
  layerNorm: ({ attributes: { eps } }, [channels]) => py`nn.LayerNorm(${channels}, eps=${eps})`,
};

/** Lines of `__init__`: modules and bare parameters, in state-dict order. */
function declarations(graph: Graph): PythonCode[] {
  const parameters = parametersByName(graph);
  const shapeOf = (name: string | undefined): readonly number[] => parameters.get(name ?? '')?.shape ?? [];
  const byOwner = new Map<string, PythonCode>();
  const declare = (path: string, value: PythonCode): void => {
    attribute(path);
    byOwner.set(path, py`put(self, ${path}, ${value})`);
  };
  for (const node of graph.nodes) {
    if (node.kind === 'parameter') {
      const name = node.parameters.value as string;
      declare(name, py`nn.Parameter(torch.zeros(${listed(shapeOf(name))}))`);
      continue;
    }
    const weight = node.parameters.weight;
    if (!weight || !isLayerKind(node.kind)) continue;
    const construct = constructors[node.kind] as Constructor<OperationKind>;
    declare(parentPath(weight), construct(node, shapeOf(weight)));
  }
  const order = new Set(graph.parameters.map((p) => (byOwner.has(p.name) ? p.name : parentPath(p.name))));
  return [...order].flatMap((owner) => byOwner.get(owner) ?? []);
}

class ConstantTable {
  readonly lines: PythonCode[] = [];
  readonly #known = new Map<string, PythonCode>();
  readonly #names: PythonVariables;

  /** `taken`: the names that the network's own modules have. */
  constructor(taken: readonly string[]) {
    this.#names = new PythonVariables(taken);
  }

  add(data: Float32Array | Int32Array, shape: readonly number[]): PythonCode {
    const values = data instanceof Int32Array ? BigInt64Array.from(data, BigInt) : data;
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    const text = deflateSync(bytes).toString('base64');
    const key = `${shape}:${text}`;
    const known = this.#known.get(key);
    if (known) return known;
    const name = this.#names.of(`constant${this.#known.size}`);
    const value = py`self.${name}`;
    this.#known.set(key, value);
    const dtype = data instanceof Int32Array ? py`torch.int64` : py`torch.float32`;
    this.lines.push(
      py`self.register_buffer(${name.toString()}, constant(${dtype}, ${shape}, ${text}), persistent=False)`,
    );
    return value;
  }
}

interface Naming {
  readonly variables: PythonVariables;
  readonly constants: ConstantTable;
}

function forwardLine(
  node: GraphNode,
  shapes: ReadonlyMap<ValueId, Shape>,
  { variables, constants }: Naming,
): PythonCode {
  const scope: PythonScope = {
    input: (i) => (node.kind === 'input' ? py`images` : variables.of(node.inputs[i])),
    owner: (role: ParameterRole) => attribute(parentPath(node.parameters[role] as string)),
    parameter: (role: ParameterRole) => attribute(node.parameters[role] as string),
    constant: (data, shape) => constants.add(data, shape),
    batch: py`images.shape[0]`,
    inputShape: (i) => shapes.get(node.inputs[i]) ?? [],
  };
  const emit = pythonEmitters[node.kind] as (node: GraphNode, scope: PythonScope) => PythonCode;
  return py`${variables.of(node.id)} = ${emit(node, scope)}`;
}

function returns({ outputs, trainingOutputs }: Graph, variables: PythonVariables): PythonCode[] {
  const values = outputs.map(({ value }) => value);
  const list = (ids: readonly ValueId[]): PythonCode => listed(ids.map((id) => variables.of(id)));
  const isSame = String(trainingOutputs) === String(values);
  const training = isSame ? [] : [py`if self.training:`, py`    return ${list(trainingOutputs)}`];
  return [...training, py`return ${list(values)}`];
}

/**
 * Python source of the Graph.
 *
 * @param weightsFile name of the weights' file, in the same folder (.pth or .safetensors)
 * @throws UserError for a parameter whose name cannot be a path of attributes in Python
 */
export function pytorchSource(graph: Graph, weightsFile: string): string {
  const shapes = inferShapes(graph);
  const variables = new PythonVariables(TAKEN);
  const constants = new ConstantTable(graph.parameters.map(({ name }) => name.split('.')[0]));
  const body = graph.nodes.map((node) => forwardLine(node, shapes, { variables, constants }));
  const indented = (lines: readonly PythonCode[]): PythonCode => PythonCode.join(lines, '\n').indented(8);
  return py`${description(graph, weightsFile)}
${PRELUDE}

class Model(nn.Module):
    def __init__(self):
        super().__init__()
${indented([...declarations(graph), ...constants.lines])}

    def forward(self, images):
${indented([...body, ...returns(graph, variables)])}


${loading(weightsFile)}`.toString();
}

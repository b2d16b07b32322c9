/** A Graph as one self-contained Python file: an `nn.Module` with the Graph's widths and the original state-dict names. */
import { deflateSync } from 'node:zlib';
import type { Graph, GraphNode, ValueId } from '../graph/graph.ts';
import { parametersByName } from '../graph/graph.ts';
import type { OperationKind, ParameterRole, Shape } from '../graph/operations.ts';
import { inferShapes } from '../graph/shapes.ts';
import { evenPadding, type PythonScope, pythonEmitters } from './python-nodes.ts';

const HEADER = (
  graph: Graph,
  weightsFile: string,
): string => `"""${graph.name}, pruned to the widths below. Written by Espalier; needs PyTorch and nothing else.

    model = load()                # weights from ${weightsFile}
    logits = model(images)        # [N, ${graph.input.channels}, ${graph.input.height}, ${graph.input.width}] → [N, ${graph.classes}]

Images: shorter side ${graph.input.resize} (${graph.input.interpolation}), centre crop ${graph.input.height} × ${graph.input.width}, scaled to 0…1,
minus (${graph.input.mean.join(', ')}), divided by (${graph.input.std.join(', ')}).
"""
import base64
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

const FOOTER = (weightsFile: string): string => `

def load(weights=None):
    """The model with its weights, in evaluation mode."""
    if weights is None:
        weights = os.path.join(os.path.dirname(os.path.abspath(__file__)), ${JSON.stringify(weightsFile)})
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

/** `layer1.0.conv1` → `self.layer1[0].conv1`. */
function attribute(path: string): string {
  return `self${path
    .split('.')
    .map((part) => (/^\d+$/.test(part) ? `[${part}]` : `.${part}`))
    .join('')}`;
}

/** `layer1.0.conv1` → `layer1_0_conv1`, a name that no Python keyword has. */
const variable = (id: ValueId): string => {
  const name = id.replace(/\W/g, '_');
  return /^[A-Za-z]/.test(name) && name !== 'input' ? name : `x_${name}`;
};

type Constructor = (node: GraphNode, shape: readonly number[]) => string;

const hasBias = (node: GraphNode): string => (node.parameters.bias ? 'True' : 'False');

/** Modules that own parameters. */
const constructors: Partial<Record<OperationKind, Constructor>> = {
  conv: (node, [out, perGroup]) => {
    if (node.kind !== 'conv') throw new TypeError(node.kind);
    const { kernel, stride, padding, dilation, groups } = node.attributes;
    return (
      `nn.Conv2d(${perGroup * groups}, ${out}, (${kernel.join(', ')}), stride=(${stride.join(', ')}), padding=${evenPadding(padding)}, ` +
      `dilation=(${dilation.join(', ')}), groups=${groups}, bias=${hasBias(node)})`
    );
  },
  linear: (node, [out, into]) => `nn.Linear(${into}, ${out}, bias=${hasBias(node)})`,
  batchNorm: (node, [channels]) => {
    if (node.kind !== 'batchNorm') throw new TypeError(node.kind);
    return `nn.BatchNorm2d(${channels}, eps=${node.attributes.eps}, momentum=${node.attributes.momentum})`;
  },
  layerNorm: (node, [channels]) => {
    if (node.kind !== 'layerNorm') throw new TypeError(node.kind);
    return `nn.LayerNorm(${channels}, eps=${node.attributes.eps})`;
  },
};

/** Lines of `__init__`: modules and bare parameters, in state-dict order. */
function declarations(graph: Graph): string[] {
  const parameters = parametersByName(graph);
  const shapeOf = (name: string | undefined): readonly number[] => parameters.get(name ?? '')?.shape ?? [];
  const byOwner = new Map<string, string>();
  for (const node of graph.nodes) {
    if (node.kind === 'parameter') {
      const name = node.parameters.value as string;
      byOwner.set(name, `put(self, ${JSON.stringify(name)}, nn.Parameter(torch.zeros(${shapeOf(name).join(', ')})))`);
      continue;
    }
    const weight = node.parameters.weight;
    const construct = constructors[node.kind];
    if (!weight || !construct) continue;
    const owner = parentPath(weight);
    byOwner.set(owner, `put(self, ${JSON.stringify(owner)}, ${construct(node, shapeOf(weight))})`);
  }
  const order = new Set(graph.parameters.map((p) => (byOwner.has(p.name) ? p.name : parentPath(p.name))));
  return [...order].flatMap((owner) => byOwner.get(owner) ?? []);
}

class ConstantTable {
  readonly lines: string[] = [];
  readonly #names = new Map<string, string>();

  add(data: Float32Array | Int32Array, shape: readonly number[]): string {
    const values = data instanceof Int32Array ? BigInt64Array.from(data, BigInt) : data;
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    const text = deflateSync(bytes).toString('base64');
    const key = `${shape}:${text}`;
    const known = this.#names.get(key);
    if (known) return known;
    const name = `constant${this.#names.size}`;
    this.#names.set(key, `self.${name}`);
    const dtype = data instanceof Int32Array ? 'torch.int64' : 'torch.float32';
    this.lines.push(
      `self.register_buffer("${name}", constant(${dtype}, (${shape.join(', ')},), "${text}"), persistent=False)`,
    );
    return `self.${name}`;
  }
}

function forwardLine(node: GraphNode, shapes: ReadonlyMap<ValueId, Shape>, constants: ConstantTable): string {
  const scope: PythonScope = {
    input: (i) => (node.kind === 'input' ? 'images' : variable(node.inputs[i])),
    owner: (role: ParameterRole) => attribute(parentPath(node.parameters[role] as string)),
    parameter: (role: ParameterRole) => attribute(node.parameters[role] as string),
    constant: (data, shape) => constants.add(data, shape),
    batch: 'images.shape[0]',
    inputShape: (i) => shapes.get(node.inputs[i]) ?? [],
  };
  const emit = pythonEmitters[node.kind] as (node: GraphNode, scope: PythonScope) => string;
  return `${variable(node.id)} = ${emit(node, scope)}`;
}

function returns(graph: Graph): string[] {
  const training = graph.trainingOutputs.map(variable).join(', ');
  const several = graph.trainingOutputs.length > 1;
  const lines =
    several || graph.trainingOutputs[0] !== graph.output ? ['if self.training:', `    return ${training}`] : [];
  return [...lines, `return ${variable(graph.output)}`];
}

/**
 * Python source of the Graph.
 *
 * @param weightsFile name of the weights' file, in the same folder (.pth or .safetensors)
 */
export function pytorchSource(graph: Graph, weightsFile: string): string {
  const shapes = inferShapes(graph);
  const constants = new ConstantTable();
  const body = graph.nodes.map((node) => forwardLine(node, shapes, constants));
  const indent = (lines: readonly string[]): string => lines.map((line) => `        ${line}`).join('\n');
  return [
    HEADER(graph, weightsFile),
    '\nclass Model(nn.Module):',
    '    def __init__(self):',
    '        super().__init__()',
    indent([...declarations(graph), ...constants.lines]),
    '',
    '    def forward(self, images):',
    indent([...body, ...returns(graph)]),
    FOOTER(weightsFile),
  ].join('\n');
}

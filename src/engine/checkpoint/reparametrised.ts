/**
 * Weights that a file holds as what they are computed from: a product with a mask (torch.nn.utils.prune), a length and a
 * direction (weight_norm), a matrix and its largest singular vectors (spectral_norm), old and new forms of each. They are
 * folded into the weight that the module computes with in evaluation.
 */
import type { Tensor } from '../graph/tensor.ts';
import { elementCount, toFloat32 } from '../graph/tensor.ts';
import type { OpenCheckpoint, TensorInfo } from './checkpoint.ts';

type Fold = (parts: readonly Tensor[]) => Float32Array;

interface Form {
  /** PyTorch's name of it, for the person. */
  readonly what: string;
  /** What follows the module's path, the parameter's own name as NAME; the first has the weight's shape. */
  readonly parts: readonly string[];
  readonly fold: Fold;
}

/** torch.nn.utils.prune: weight_orig · weight_mask. */
const masked: Fold = ([original, mask]) => {
  const [values, kept] = [toFloat32(original), toFloat32(mask)];
  return values.map((value, i) => value * kept[i]);
};

/** torch.nn.utils.weight_norm: g · v / ‖v‖, the norm over the dimensions in which g has one entry. */
const normalised: Fold = ([direction, length]) => {
  const { shape } = direction;
  const [v, g] = [toFloat32(direction), toFloat32(length)];
  const own = length.shape.length === shape.length ? length.shape : shape.map(() => 1);
  const rowOf = (index: number): number => {
    let row = 0;
    for (let axis = 0, rest = index, inner = v.length; axis < shape.length; axis++) {
      inner /= shape[axis];
      const at = Math.floor(rest / inner);
      rest -= at * inner;
      if (own[axis] > 1) row = row * own[axis] + at;
    }
    return row;
  };
  const squares = new Float64Array(g.length);
  v.forEach((value, i) => {
    squares[rowOf(i)] += value * value;
  });
  return v.map((value, i) => (g[rowOf(i)] * value) / Math.sqrt(squares[rowOf(i)]));
};

/** torch.nn.utils.spectral_norm: W / (uᵀ W v), W as a matrix of its first dimension. */
const spectral: Fold = ([weight, left, right]) => {
  const w = toFloat32(weight);
  const [u, v] = [toFloat32(left), toFloat32(right)];
  let sigma = 0;
  for (let row = 0; row < u.length; row++) {
    let sum = 0;
    for (let column = 0; column < v.length; column++) sum += w[row * v.length + column] * v[column];
    sigma += u[row] * sum;
  }
  return w.map((value) => value / sigma);
};

const FORMS: readonly Form[] = [
  { what: 'torch.nn.utils.prune', parts: ['NAME_orig', 'NAME_mask'], fold: masked },
  { what: 'weight_norm', parts: ['NAME_v', 'NAME_g'], fold: normalised },
  {
    what: 'weight_norm',
    parts: ['parametrizations.NAME.original1', 'parametrizations.NAME.original0'],
    fold: normalised,
  },
  { what: 'spectral_norm', parts: ['NAME_orig', 'NAME_u', 'NAME_v'], fold: spectral },
  {
    what: 'spectral_norm',
    parts: ['parametrizations.NAME.original', 'parametrizations.NAME.0._u', 'parametrizations.NAME.0._v'],
    fold: spectral,
  },
];

interface Folded extends Form {
  readonly sources: readonly string[];
}

/** Whether the parts fit together: the shapes that PyTorch gives them. */
function fits({ fold }: Form, [first, ...others]: readonly TensorInfo[]): boolean {
  const count = elementCount(first.shape);
  if (fold === masked) return String(others[0].shape) === String(first.shape);
  if (fold === normalised) {
    const { shape } = others[0];
    const whole = shape.length === first.shape.length;
    return whole ? shape.every((size, i) => size === 1 || size === first.shape[i]) : elementCount(shape) === 1;
  }
  const [rows] = first.shape;
  return elementCount(others[0].shape) === rows && elementCount(others[1].shape) * rows === count;
}

/** What can be folded, by the name of the weight that it gives. */
function foldsOf(tensors: ReadonlyMap<string, TensorInfo>): ReadonlyMap<string, Folded> {
  const found = new Map<string, Folded>();
  for (const form of FORMS) {
    const [before, after] = form.parts[0].split('NAME');
    for (const name of tensors.keys()) {
      if (!name.endsWith(after)) continue;
      const stem = name.slice(0, name.length - after.length);
      const at = stem.lastIndexOf('.') + 1;
      const module = stem.slice(0, at);
      if (!module.endsWith(before)) continue;
      const path = module.slice(0, module.length - before.length);
      const own = stem.slice(at);
      const sources = form.parts.map((part) => path + part.replace('NAME', own));
      const infos = sources.map((source) => tensors.get(source));
      const target = path + own;
      if (!own || tensors.has(target) || found.has(target)) continue;
      if (infos.every((info) => info !== undefined) && fits(form, infos)) found.set(target, { ...form, sources });
    }
  }
  return found;
}

/** The checkpoint with such weights folded; itself where it has none. */
export function withFoldedWeights(checkpoint: OpenCheckpoint): OpenCheckpoint {
  const folds = foldsOf(checkpoint.tensors);
  if (!folds.size) return checkpoint;
  const targets = new Map([...folds].flatMap(([target, { sources }]) => sources.map((source) => [source, target])));
  const tensors = new Map<string, TensorInfo>();
  for (const [name, info] of checkpoint.tensors) {
    const target = targets.get(name);
    if (target === undefined) tensors.set(name, info);
    else if (folds.get(target)?.sources[0] === name) tensors.set(target, { dtype: 'float32', shape: info.shape });
  }
  const kinds = [...new Set([...folds.values()].map(({ what }) => what))].join(' and ');
  const readAll: OpenCheckpoint['readAll'] = async (names = tensors.keys(), context) => {
    const wanted = [...names];
    const sources = wanted.flatMap((name) => folds.get(name)?.sources ?? [name]);
    const read = await checkpoint.readAll(sources, context);
    return new Map(
      wanted.map((name): [string, Tensor] => {
        const fold = folds.get(name);
        if (!fold) return [name, read.get(name) as Tensor];
        const parts = fold.sources.map((source) => read.get(source) as Tensor);
        return [name, { dtype: 'float32', shape: parts[0].shape, data: fold.fold(parts) }];
      }),
    );
  };
  return {
    ...checkpoint,
    tensors,
    readAll,
    read: async (name) => (await readAll([name])).get(name) as Tensor,
    notes: [...(checkpoint.notes ?? []), `${folds.size} weights are folded from what ${kinds} keeps of them`],
  };
}

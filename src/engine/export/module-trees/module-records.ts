/** Records of PyTorch's modules as their constructors leave them. */
import {
  PickleDict,
  PickleFloat,
  type PickleObject,
  PickleSet,
  PickleTuple,
  type PickleValue,
} from '../../checkpoint/torch/pickle-values.ts';
import { emptyOrderedDict, pickledCall, pickledTensor } from '../../checkpoint/torch/pickle-write.ts';

export type Attributes = Readonly<Record<string, PickleValue>>;
/** By name; what is null is left out. */
export type Children = Readonly<Record<string, PickleObject | null>>;

export interface Tensors {
  /** Names; with `null` registered as None. */
  readonly parameters?: Readonly<Record<string, readonly number[] | null>>;
  /** By name; in `hidden` those that are outside of the state dict. */
  readonly buffers?: Readonly<Record<string, PickleValue>>;
  readonly hidden?: readonly string[];
}

const HOOKS = [
  '_backward_pre_hooks',
  '_backward_hooks',
  '_is_full_backward_hook',
  '_forward_hooks',
  '_forward_hooks_with_kwargs',
  '_forward_hooks_always_called',
  '_forward_pre_hooks',
  '_forward_pre_hooks_with_kwargs',
  '_state_dict_hooks',
  '_state_dict_pre_hooks',
  '_load_state_dict_pre_hooks',
  '_load_state_dict_post_hooks',
];

export const tuple = (...items: readonly PickleValue[]): PickleTuple => PickleTuple.from(items);
export const float = (value: number): PickleFloat => new PickleFloat(value);
export const dict = (entries: Readonly<Record<string, PickleValue>>): PickleDict =>
  new PickleDict(Object.entries(entries));

/** The tensors are put in when the tree is fitted to the network; until then they are of no storage. */
const placeholder = (shape: readonly number[]): PickleObject =>
  pickledCall('torch._utils', '_rebuild_parameter', [
    pickledTensor({ dtype: 'float32', shape, storageKey: '' }),
    true,
    emptyOrderedDict(),
  ]);

/** An instance of an nn.Module's class, given as `package.module.Class`. */
export function moduleOf(
  className: string,
  attributes: Attributes = {},
  children: Children = {},
  { parameters = {}, buffers = {}, hidden = [] }: Tensors = {},
): PickleObject {
  const dot = className.lastIndexOf('.');
  const own = Object.entries(parameters).map(([name, shape]) => [name, shape && placeholder(shape)] as const);
  const state = new PickleDict([
    ['training', false],
    ['_parameters', new PickleDict(own)],
    ['_buffers', dict(buffers)],
    ['_non_persistent_buffers_set', new PickleSet(hidden)],
    ...HOOKS.map((name): [string, PickleValue] => [
      name,
      name === '_is_full_backward_hook' ? null : emptyOrderedDict(),
    ]),
    ['_modules', new PickleDict(Object.entries(children).flatMap(([name, child]) => (child ? [[name, child]] : [])))],
    ...Object.entries(attributes),
  ]);
  return pickledCall(className.slice(0, dot), className.slice(dot + 1), [], { byNew: true, state });
}

export const identity = (): PickleObject => moduleOf('torch.nn.modules.linear.Identity');
export const dropout = (p = 0): PickleObject =>
  moduleOf('torch.nn.modules.dropout.Dropout', { p: float(p), inplace: false });
export const flatten = (): PickleObject => moduleOf('torch.nn.modules.flatten.Flatten', { start_dim: 1, end_dim: -1 });
export const sequential = (children: readonly PickleObject[]): PickleObject =>
  moduleOf(
    'torch.nn.modules.container.Sequential',
    {},
    Object.fromEntries(children.map((child, i) => [String(i), child])),
  );

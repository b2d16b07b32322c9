/** Names for people: the modules that a file's nodes came from, and the parameters of a state dict. */
import type { ParameterRole } from '../../graph/operations.ts';
import type { OnnxNode } from './onnx-proto.ts';

/** Longer names are nobody's; every step of a path is looked at by itself. */
const MAX_NAME = 512;

/** Whether a tensor's name is one that a person gave, as in a state dict, and not one that an exporter made up. RegNet has `block1-0`. */
export const isReadable = (name: string): boolean =>
  name.length <= MAX_NAME &&
  /^(?!\d+$)[\w-]+(\.[\w-]+)*$/.test(name) &&
  !/^(val|_v|onnx|arg|tensor|const|t|p|v)_?\d+$/i.test(name);

/** Ends the name of a number that Espalier wrote and that is 1/√(last dimension) of what it multiplies. */
export const FOLLOWS_SIZES = '.rsqrt_of_last_dimension';

/** Begins the names of values that a reader of another format makes up, so that no tensor of a state dict has the same. */
export const MADE_UP = '%';

/** Where PyTorch's newer exporter says which module a node is from: `['', 'layer1', 'layer1.0', 'layer1.0.conv1', 'conv2d_3']`. */
const SCOPES = 'pkg.torch.onnx.name_scopes';

/**
 * The module path of a node, from its metadata or its name; '' if there is none.
 *
 * `/layer1/layer1.0/conv1/Conv` is `layer1.0.conv1`: a component that starts with the one before it stands for both.
 */
export function modulePath({ name, opType, metadata }: OnnxNode): string {
  const scopes = metadata.get(SCOPES);
  if (scopes !== undefined) {
    const names = [...scopes.matchAll(/'([^']*)'/g)].map(([, scope]) => scope);
    return readable(names.at(-2) ?? '');
  }
  const components = name.split('/').filter(Boolean);
  const last = components.at(-1) ?? '';
  const isOperator = last.toLowerCase().replace(/_\d+$/, '') === opType.toLowerCase();
  // Without a path, a name says something only where it is not made of the operator.
  if (components.length === 1 && !name.startsWith('/')) return isOperator || !isReadable(last) ? '' : readable(last);
  const isTensorFlow = components.length > 1 && !name.startsWith('/');
  if (isOperator || isTensorFlow) components.pop();
  const path: string[] = [];
  for (const component of components) {
    const before = path.at(-1);
    if (before !== undefined && component.startsWith(`${before}.`)) path.pop();
    path.push(component);
  }
  return readable(path.join('.'));
}

/** A node in messages. */
export const labelOf = ({ name, opType, outputs }: OnnxNode): string => `node '${name || outputs[0]}' (${opType})`;

/** Only what state dicts have in names. */
const readable = (path: string): string =>
  path.length > MAX_NAME ? '' : path.replace(/[^\w.-]+/g, '_').replace(/^\.+|\.+$/g, '');

export const parentOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('.')));
export const lastOf = (path: string): string => path.slice(path.lastIndexOf('.') + 1);

/** A parameter's name in its module, as PyTorch has it. */
export const ROLE_NAMES: { readonly [R in ParameterRole]: string } = {
  weight: 'weight',
  bias: 'bias',
  runningMean: 'running_mean',
  runningVar: 'running_var',
  batchCount: 'num_batches_tracked',
  value: 'value',
};

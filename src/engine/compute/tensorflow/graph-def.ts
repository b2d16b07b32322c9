/**
 * Builds a TensorFlow graph with signatures: operations, constants, placeholders and resource variables.
 * The builder knows nothing of gradients or layers; it names nodes, keeps their attributes and puts a `SavedModel` together.
 */
import { elementCount } from '../../graph/tensor.ts';
import type { Control, NodeOptions, TensorRef, VariableRef } from './graph-refs.ts';
import type {
  Attrs,
  NodeDef,
  PartialShape,
  SavedModel,
  SignatureDef,
  TensorFlowType,
  TensorInfo,
} from './saved-model.ts';
import { nodeName, UniqueNames } from './unique-names.ts';

export type { Control, NodeOptions, TensorRef, VariableRef } from './graph-refs.ts';

/** The element types that constants can be made of, by their typed array. */
export type ConstantData = Float32Array | Float64Array | Int32Array | BigInt64Array;

/** Operations whose output can be the very buffer of their first input. */
const ALIASING = new Set([
  'Identity',
  'Reshape',
  'Squeeze',
  'ExpandDims',
  'StopGradient',
  'Cast',
  'Snapshot',
  'EnsureShape',
]);

const nodeOf = (control: Control): string => (typeof control === 'string' ? control : control.name).split(':')[0];

function constantType(data: ConstantData): TensorFlowType {
  if (data instanceof Float32Array) return 'float32';
  if (data instanceof Float64Array) return 'float64';
  return data instanceof Int32Array ? 'int32' : 'int64';
}

export class GraphDefBuilder {
  private readonly nodes: NodeDef[] = [];
  private readonly signatures: Record<string, SignatureDef> = {};
  private readonly stateVariables = new Map<string, VariableRef>();
  private readonly names = new UniqueNames();
  private readonly sharedConstants = new Map<string, TensorRef>();
  /** Tensors that may be a fed buffer itself. */
  private readonly fed = new Set<string>();
  private prefix = '';

  /** `float64`: scalars are not rounded to float32. */
  constructor(private readonly options: { readonly float64?: boolean } = {}) {}

  /** Runs `build` with `name/` before the names of its nodes. */
  scope<R>(name: string, build: () => R): R {
    const outer = this.prefix;
    this.prefix = `${outer}${name}/`;
    try {
      return build();
    } finally {
      this.prefix = outer;
    }
  }

  /** Adds a node with no outputs (an assignment, a NoOp) and returns its name; `op` and `outputs` are for nodes with outputs. */
  node(
    op: string,
    inputs: readonly TensorRef[],
    attrs: Attrs = {},
    { name = op, controls = [] }: NodeOptions = {},
  ): string {
    const unique = this.uniqueName(name);
    const controlInputs = new Set(controls.map((control) => `^${nodeOf(control)}`));
    this.nodes.push({ name: unique, op, inputs: [...inputs.map((input) => input.name), ...controlInputs], attrs });
    if (op === 'Placeholder' || (ALIASING.has(op) && this.fed.has(inputs[0]?.name))) this.fed.add(unique);
    return unique;
  }

  /** Adds a node with one output. */
  op(
    op: string,
    inputs: readonly TensorRef[],
    attrs: Attrs,
    output: { readonly dtype: TensorFlowType; readonly shape: PartialShape },
    options: NodeOptions = {},
  ): TensorRef {
    return { name: this.node(op, inputs, attrs, options), dtype: output.dtype, shape: output.shape };
  }

  /** Adds a node with several outputs. */
  outputs(
    op: string,
    inputs: readonly TensorRef[],
    attrs: Attrs,
    outputs: readonly { readonly dtype: TensorFlowType; readonly shape: PartialShape }[],
    options: NodeOptions = {},
  ): TensorRef[] {
    const name = this.node(op, inputs, attrs, options);
    return outputs.map(({ dtype, shape }, index) => ({ name: index ? `${name}:${index}` : name, dtype, shape }));
  }

  /** A constant that holds `data` by reference until the model is encoded. */
  constant(data: ConstantData, shape: readonly number[], options: NodeOptions = {}): TensorRef {
    if (data.length !== elementCount(shape)) {
      throw new Error(`A constant of shape [${shape}] cannot hold ${data.length} values.`);
    }
    const dtype = constantType(data);
    const attrs: Attrs = { dtype: { type: dtype }, value: { tensor: { dtype, shape, data } } };
    return this.op('Const', [], attrs, { dtype, shape }, options);
  }

  /** A small int32 vector, shared with every equal one of the scope. */
  ints(...values: number[]): TensorRef {
    return this.share(`ints ${values}`, () => this.constant(Int32Array.from(values), [values.length]));
  }

  /** An int32 scalar, shared. */
  int(value: number): TensorRef {
    return this.share(`int ${value}`, () => this.constant(Int32Array.of(value), []));
  }

  /** A float32 (or float64) scalar, shared. */
  float(value: number): TensorRef {
    const data = this.options.float64 ? Float64Array.of(value) : Float32Array.of(value);
    return this.share(`float ${Object.is(value, -0) ? '-0' : value}`, () => this.constant(data, []));
  }

  /** A tensor that a signature feeds. TensorFlow does not hold it to `shape`; `TensorFlowSession` does. */
  placeholder(name: string, dtype: TensorFlowType, shape: PartialShape): TensorRef {
    return this.op('Placeholder', [], { dtype: { type: dtype }, shape: { shape } }, { dtype, shape }, { name });
  }

  /**
   * A variable, without a value until it is assigned. Asking again for a name gives the same variable, and its kind must be the same.
   * Its handle lives outside of every scope.
   */
  variable(name: string, shape: readonly number[], dtype: TensorFlowType = 'float32'): VariableRef {
    const known = this.stateVariables.get(name);
    if (known) {
      if (known.dtype === dtype && String(known.shape) === String(shape)) return known;
      throw new Error(`Variable ${name} is ${known.dtype} [${known.shape}], not ${dtype} [${shape}].`);
    }
    const outer = this.prefix;
    this.prefix = '';
    const attrs: Attrs = { dtype: { type: dtype }, shape: { shape }, shared_name: { str: name } };
    const handle = this.op('VarHandleOp', [], attrs, { dtype: 'resource', shape: [] }, { name });
    this.prefix = outer;
    const variable = { name, dtype, shape, handle };
    this.stateVariables.set(name, variable);
    return variable;
  }

  read(variable: VariableRef, options: NodeOptions = {}): TensorRef {
    const attrs: Attrs = { dtype: { type: variable.dtype } };
    return this.op('ReadVariableOp', [variable.handle], attrs, variable, { name: `${variable.name}/read`, ...options });
  }

  /**
   * Sets a variable; returns the node's name, to be a control input of what must come after. A wrong shape fails when it runs.
   * A fed value is copied first: the variable would otherwise live in the caller's array, and a training step would write there.
   */
  assign(variable: VariableRef, value: TensorRef, options: NodeOptions = {}): string {
    const own = this.fed.has(value.name)
      ? this.op('DeepCopy', [value], { T: { type: value.dtype } }, value, { name: `${variable.name}/copy` })
      : value;
    const attrs: Attrs = { dtype: { type: variable.dtype }, validate_shape: { bool: true } };
    return this.node('AssignVariableOp', [variable.handle, own], attrs, {
      name: `${variable.name}/assign`,
      ...options,
    });
  }

  identity(x: TensorRef, options: NodeOptions = {}): TensorRef {
    return this.op('Identity', [x], { T: { type: x.dtype } }, x, options);
  }

  /** An int32 1 that exists once `controls` have run: the output of a signature that only has effects. */
  after(controls: readonly Control[], name = 'done'): TensorRef {
    return this.constant(Int32Array.of(1), [], { name, controls });
  }

  /** Names an entry point. It needs an output; use `after` where there is nothing to return. */
  signature(
    name: string,
    inputs: Readonly<Record<string, TensorRef>>,
    outputs: Readonly<Record<string, TensorRef>>,
  ): void {
    if (name in this.signatures) throw new Error(`The graph already has a signature ${name}.`);
    if (Object.keys(outputs).length === 0) throw new Error(`Signature ${name} has no outputs.`);
    this.signatures[name] = { inputs: endpoints(inputs), outputs: endpoints(outputs) };
  }

  toModel(): SavedModel {
    return { nodes: this.nodes, signatures: this.signatures };
  }

  private share(key: string, make: () => TensorRef): TensorRef {
    const scoped = `${this.prefix}${key}`;
    let constant = this.sharedConstants.get(scoped);
    if (!constant) {
      constant = make();
      this.sharedConstants.set(scoped, constant);
    }
    return constant;
  }

  /** `name` within the scope, in TensorFlow's alphabet, with a number behind it where it is taken. */
  private uniqueName(name: string): string {
    return this.names.take(nodeName(`${this.prefix}${name}`));
  }
}

function endpoints(tensors: Readonly<Record<string, TensorRef>>): Record<string, TensorInfo> {
  return Object.fromEntries(
    Object.entries(tensors).map(([key, { name, dtype, shape }]) => [
      key,
      { name: name.includes(':') ? name : `${name}:0`, dtype, shape },
    ]),
  );
}

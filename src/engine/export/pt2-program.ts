/** The JSON of an exported program while it is made: names, values with their sizes, calls with the modules around them. */
import type { Graph, GraphNode } from '../graph/graph.ts';
import type { Shape } from '../graph/operations.ts';
import type { DType, Tensor } from '../graph/tensor.ts';
import { type Pt2Argument, tensor } from './pt2-calls.ts';

/** The batch. */
const SYMBOL = "Symbol('s0', positive=True, integer=True)";

/** How an argument is given: PyTorch asks the operation's schema whether it may stand by its place, or only by its name. */
const BY_SCHEMA = 0;

/** PyTorch's numbers of element types. */
const TYPES: { readonly [D in DType]: number } = {
  uint8: 1,
  int8: 2,
  int16: 3,
  int32: 4,
  int64: 5,
  float16: 6,
  float32: 7,
  float64: 8,
  bool: 12,
  bfloat16: 13,
};

const sizeOf = (d: number): object => {
  if (d >= 0) return { as_int: d };
  const expression = d === -1 ? SYMBOL : `Mul(Integer(${-d}), ${SYMBOL})`;
  return { as_expr: { expr_str: expression, hint: { as_int: -2 * d } } };
};

/** Sizes and row-major strides of a value; with an open batch a stride may depend on it too. */
export function metaOf(dtype: DType, shape: Shape, requiresGrad = false): object {
  const strides = shape.map((_, i) => {
    let stride = 1;
    let batches = false;
    for (const d of shape.slice(i + 1)) {
      stride *= Math.abs(d);
      batches ||= d < 0;
    }
    return batches ? -stride : stride;
  });
  return {
    dtype: TYPES[dtype],
    sizes: shape.map(sizeOf),
    requires_grad: requiresGrad,
    device: { type: 'cpu', index: null },
    strides: strides.map(sizeOf),
    storage_offset: { as_int: 0 },
    layout: 7,
  };
}

/** Collects the program while the Graph's operations are emitted. */
export class ProgramWriter {
  readonly nodes: object[] = [];
  readonly values: Record<string, object> = {};
  readonly constants: { readonly value: string; readonly tensor: Tensor }[] = [];
  readonly symbols: Record<string, object> = {};
  readonly #names = new Set<string>();
  #batch = '';
  /** The Graph node that is being emitted. */
  node: GraphNode | undefined;

  constructor(
    private readonly graph: Graph,
    private readonly images: string,
  ) {}

  /** A name that no other value has, of letters that Python takes. */
  name(base: string): string {
    const plain = base.replace(/\W/g, '_').replace(/^(\d)/, '_$1') || 'value';
    let name = plain;
    for (let n = 1; this.#names.has(name); n++) name = `${plain}_${n}`;
    this.#names.add(name);
    return name;
  }

  add(target: string, inputs: Readonly<Record<string, Pt2Argument>>, output: Pt2Argument, name: string): void {
    this.#push(target, inputs, [output], name);
  }

  #push(
    target: string,
    inputs: Readonly<Record<string, Pt2Argument>>,
    outputs: readonly Pt2Argument[],
    name: string,
  ): void {
    this.nodes.push({
      target: `torch.ops.${target}`,
      inputs: Object.entries(inputs).map(([key, arg]) => ({ name: key, arg, kind: BY_SCHEMA })),
      outputs,
      metadata: { nn_module_stack: this.#stack(), torch_fn: `${name};${target}` },
      is_hop_single_tensor_return: null,
      name,
    });
  }

  call(target: string, inputs: Readonly<Record<string, Pt2Argument>>, shape: Shape): string {
    const name = this.name(target.split('.')[1]);
    this.values[name] = metaOf('float32', shape);
    this.add(target, inputs, tensor(name), name);
    return name;
  }

  callOfMany(
    target: string,
    inputs: Readonly<Record<string, Pt2Argument>>,
    outputs: readonly { readonly type: number; readonly sizes: Shape }[],
  ): readonly string[] {
    const name = this.name(target.split('.')[1]);
    const names = outputs.map((_, i) => (outputs.length === 1 ? name : this.name(`${name}_${i}`)));
    outputs.forEach(({ type, sizes }, i) => {
      this.values[names[i]] = { ...metaOf('float32', sizes), dtype: type };
    });
    this.#push(target, inputs, names.map(tensor), name);
    return names;
  }

  constant(of: Tensor): string {
    const known = this.constants.find((other) => other.tensor === of);
    if (known) return known.value;
    const value = this.name('c_constant');
    this.values[value] = metaOf(of.dtype, of.shape);
    this.constants.push({ value, tensor: of });
    return value;
  }

  /** One batch can be left open by a reshape; an expansion has to name it. */
  sizes(shape: Shape): Pt2Argument {
    if (shape.every((d) => d >= 0)) return { as_ints: shape };
    return { as_sym_ints: shape.map((d) => (d >= 0 ? { as_int: d } : { as_name: this.#batches(-d) })) };
  }

  #batches(times: number): string {
    if (!this.#batch) {
      this.#batch = this.name('sym_size_int');
      this.symbols[this.#batch] = sizeOf(-1);
      this.add(
        'aten.sym_size.int',
        { self: tensor(this.images), dim: { as_int: 0 } },
        { as_sym_int: { as_name: this.#batch } },
        this.#batch,
      );
    }
    if (times === 1) return this.#batch;
    const name = this.name('mul');
    this.symbols[name] = sizeOf(-times);
    this.nodes.push({
      target: '_operator.mul',
      inputs: [
        { name: '', arg: { as_sym_int: { as_name: this.#batch } }, kind: 1 },
        { name: '', arg: { as_int: times }, kind: 1 },
      ],
      outputs: [{ as_sym_int: { as_name: name } }],
      metadata: { nn_module_stack: this.#stack() },
      is_hop_single_tensor_return: null,
      name,
    });
    return name;
  }

  /** `L__self__,,Model;L__self___layer1,layer1,Sequential;…` */
  #stack(): string {
    const types = new Map(this.graph.modules.map(({ path, type }) => [path, type]));
    const path = (this.node?.module ?? '').split('.').filter(Boolean);
    const entries = path.map((_, i) => {
      const own = path.slice(0, i + 1).join('.');
      const type = types.get(own) ?? (i === path.length - 1 ? this.node?.moduleType : '');
      return `L__self___${own},${own},${(type || 'Module').replace(/[^\w.]/g, '_')}`;
    });
    return [`L__self__,,${this.graph.name.replace(/\W/g, '_') || 'Model'}`, ...entries].join(';');
  }
}

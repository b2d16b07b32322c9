/** The states of a session's programs: tensors in the order in which kernels take them, one for each name. */
import type { Tensor as TfTensor } from '@tensorflow/tfjs-core';
import { elementCount, float32Tensor, type Tensor, toFloat32, type Weights } from '../../graph/tensor.ts';
import { type Program, type StateSpec, unitedStates } from '../programs/program.ts';
import { inMemory, type Order, permutationBetween, plainOrder } from '../tensorflow/data-layout.ts';
import { transposeInto } from './copying.ts';
import type { Laid } from './kernel-context.ts';
import { weightOrder } from './run-convolutions.ts';
import { LINEAR_WEIGHT } from './run-products.ts';
import type { LoadedTfjs } from './tfjs.ts';

/** Orders of dimensions: weights, and what belongs to them, lie as their kernel takes them. */
function stateOrders(programs: readonly Program[], specs: ReadonlyMap<string, StateSpec>): (name: string) => Order {
  const owner = (name: string): string => specs.get(name)?.like ?? name;
  const orders = new Map<string, Order>();
  for (const { nodes } of programs)
    for (const node of nodes) {
      if (node.kind !== 'conv' && node.kind !== 'linear') continue;
      const weight = nodes[node.inputs[1].node];
      if (weight.kind !== 'state') continue;
      const order =
        node.kind === 'conv'
          ? weightOrder(node.attributes, weight.shapes[0][1] * node.attributes.groups)
          : LINEAR_WEIGHT;
      orders.set(owner(weight.attributes.name), order);
    }
  return (name) => orders.get(owner(name)) ?? plainOrder(specs.get(name)?.shape.length ?? 0);
}

export class States {
  readonly specs: ReadonlyMap<string, StateSpec>;
  private readonly orderOf: (name: string) => Order;
  private readonly tensors = new Map<string, TfTensor>();

  constructor(
    private readonly tfjs: LoadedTfjs,
    programs: readonly Program[],
  ) {
    this.specs = unitedStates(programs);
    this.orderOf = stateOrders(programs, this.specs);
  }

  /** Throws where the state has no value yet. */
  value(name: string): Laid {
    const { shape } = this.spec(name);
    const tensor = this.tensors.get(name);
    if (!tensor) throw new Error(`${name} has no value: it was not assigned`);
    return { tensor, shape, order: this.orderOf(name) };
  }

  order(name: string): Order {
    return this.orderOf(name);
  }

  /** Takes over a tensor that lies in the state's order. */
  replace(name: string, tensor: TfTensor): void {
    this.tensors.get(name)?.dispose();
    this.tensors.set(name, tensor);
  }

  /** Sets the states that there are among the values. */
  assign(values: Weights): void {
    for (const [name, tensor] of values) {
      const spec = this.specs.get(name);
      if (!spec) continue;
      if (String(spec.shape) !== String(tensor.shape))
        throw new Error(`${name} is [${tensor.shape}], the network takes [${spec.shape}]`);
      this.replace(name, this.upload(spec.shape, this.orderOf(name), toFloat32(tensor)));
    }
  }

  read(name: string): Tensor<'float32'> {
    const { tensor, shape, order } = this.value(name);
    const data = new Float32Array(elementCount(shape));
    const plain = plainOrder(shape.length);
    transposeInto(this.tfjs.memory.view(tensor), inMemory(shape, order), permutationBetween(order, plain), data);
    return float32Tensor(shape, data);
  }

  /** Gives the states whose names begin with `prefix` their initial value, where they have one. */
  reset(prefix: string): void {
    for (const { name, shape, initial } of this.specs.values())
      if (initial !== undefined && name.startsWith(prefix))
        this.replace(name, this.tfjs.tf.fill(inMemory(shape, this.orderOf(name)) as number[], initial));
  }

  dispose(): void {
    for (const tensor of this.tensors.values()) tensor.dispose();
    this.tensors.clear();
  }

  private spec(name: string): StateSpec {
    const spec = this.specs.get(name);
    if (!spec) throw new Error(`no program has a state ${name}`);
    return spec;
  }

  private upload(shape: readonly number[], order: Order, data: Float32Array): TfTensor {
    const { memory } = this.tfjs;
    const tensor = memory.allocate(inMemory(shape, order));
    transposeInto(data, shape, permutationBetween(plainOrder(shape.length), order), memory.view(tensor));
    return tensor;
  }
}

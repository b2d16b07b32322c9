/** Calls of exported programs that were taken over as they were, written as they were. */
import * as v from 'valibot';
import { UserError } from '../../common/errors.ts';
import type { GraphNode } from '../graph/graph.ts';
import { type Pt2Argument, type Pt2Scope, type Pt2Value, tensor, tensors } from './pt2-calls.ts';

const place = v.pipe(v.number(), v.integer(), v.minValue(0));
const size = v.pipe(v.number(), v.integer());
const argument = v.union([
  v.strictObject({ input: place }),
  v.strictObject({ inputs: v.array(place) }),
  v.strictObject({ as_none: v.literal(true) }),
  v.strictObject({ as_int: size }),
  v.strictObject({ as_ints: v.array(size) }),
  v.strictObject({ as_float: v.number() }),
  v.strictObject({ as_floats: v.array(v.number()) }),
  v.strictObject({ as_bool: v.boolean() }),
  v.strictObject({ as_string: v.string() }),
  v.strictObject({ as_scalar_type: place }),
]);
/** What checkpoint/pt2/kept-call.ts writes; a file may say anything. */
const schema = v.object({
  target: v.pipe(v.string(), v.regex(/^torch\.ops\.\w+\.\w+\.\w+$/)),
  args: v.array(v.object({ name: v.string(), arg: argument })),
  inputs: place,
  outputs: v.array(v.object({ type: place, sizes: v.array(size) })),
  output: place,
});

function parsed(call: string): v.InferOutput<typeof schema> | undefined {
  try {
    const found = v.safeParse(schema, JSON.parse(call));
    return found.success && found.output.output < found.output.outputs.length ? found.output : undefined;
  } catch {
    return undefined;
  }
}

/** @throws UserError where the call was not kept, or takes something that the Graph has not */
export function keptOperation({ id, inputs, attributes }: GraphNode<'opaque'>, s: Pt2Scope): Pt2Value {
  const { operator, reason, call } = attributes;
  const found = call === undefined ? undefined : parsed(call);
  if (!found || found.inputs !== inputs.length)
    throw new UserError(
      `${id} (${operator}) cannot be written back: ${reason}, and its call does not say all that it takes. Save the weights as .pth or .safetensors instead.`,
    );
  const at = (i: number): Pt2Value => (i < inputs.length ? s.input(i) : '');
  const args = found.args.map(({ name, arg }): [string, Pt2Argument] => {
    if ('input' in arg) return [name, tensor(at(arg.input))];
    return [name, 'inputs' in arg ? tensors(arg.inputs.map(at)) : arg];
  });
  return s.callOfMany(found.target.replace('torch.ops.', ''), Object.fromEntries(args), found.outputs, found.output);
}

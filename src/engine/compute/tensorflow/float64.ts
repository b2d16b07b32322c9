/**
 * A graph made for float32, computing in double precision: for checking what is rounding and what is not. Arrays that go in and all that
 * comes out stay float32, as the binding feeds and fetches nothing wider; scalars go in as the bits of a double in an int64.
 */
import type { Tensor } from '../../graph/tensor.ts';
import type { Attrs, AttrValue, NodeDef, SavedModel, SignatureDef, TensorFlowType } from './saved-model.ts';

const wide = (type: TensorFlowType): TensorFlowType => (type === 'float32' ? 'float64' : type);

function wideAttr(value: AttrValue): AttrValue {
  if ('type' in value) return { type: wide(value.type) };
  if ('types' in value) return { types: value.types.map(wide) };
  if (!('tensor' in value) || value.tensor.dtype !== 'float32') return value;
  const { shape, data } = value.tensor;
  return { tensor: { dtype: 'float64', shape, data: Float64Array.from(data as Float32Array) } };
}

const wideAttrs = (attrs: Attrs): Attrs =>
  Object.fromEntries(Object.entries(attrs).map(([key, value]) => [key, wideAttr(value)]));

const cast = (name: string, input: string, from: TensorFlowType, to: TensorFlowType): NodeDef => ({
  name,
  op: 'Cast',
  inputs: [input],
  attrs: { SrcT: { type: from }, DstT: { type: to } },
});

const isFedFloat = ({ op, attrs: { dtype } }: NodeDef): boolean =>
  op === 'Placeholder' && 'type' in dtype && dtype.type === 'float32';

const isScalar = ({ attrs: { shape } }: NodeDef): boolean => 'shape' in shape && shape.shape?.length === 0;

/** A number as a scalar input of such a graph. */
export const scalarBits = (value: number): Tensor<'int64'> => ({
  dtype: 'int64',
  shape: [],
  data: new BigInt64Array(Float64Array.of(value).buffer),
});

/** Name of a placeholder's value in double precision. */
const widened = (name: string): string => `${name}/wide`;

function bitsPlaceholder({ name, attrs }: NodeDef): NodeDef[] {
  const bits: NodeDef = { name, op: 'Placeholder', inputs: [], attrs: { ...attrs, dtype: { type: 'int64' } } };
  const types: Attrs = { T: { type: 'int64' }, type: { type: 'float64' } };
  return [bits, { name: widened(name), op: 'Bitcast', inputs: [name], attrs: types }];
}

/** The model with every float32 tensor in float64 but those that are fed and fetched. */
export function inFloat64(model: SavedModel): SavedModel {
  const fed = new Set(model.nodes.filter(isFedFloat).map(({ name }) => name));
  const scalars = new Set(model.nodes.filter((node) => isFedFloat(node) && isScalar(node)).map(({ name }) => name));
  const nodes = model.nodes.flatMap((node): NodeDef[] => {
    if (scalars.has(node.name)) return bitsPlaceholder(node);
    if (fed.has(node.name)) return [node, cast(widened(node.name), node.name, 'float32', 'float64')];
    const inputs = node.inputs.map((name) => (fed.has(name) ? widened(name) : name));
    return [{ ...node, inputs, attrs: wideAttrs(node.attrs) }];
  });
  const narrowed = new Map<string, NodeDef>();
  const narrow = (name: string): string => {
    const node = `narrow_${narrowed.size}`;
    const source = name.replace(/:0$/, '');
    const known = narrowed.get(name) ?? cast(node, fed.has(source) ? widened(source) : source, 'float64', 'float32');
    narrowed.set(name, known);
    return `${known.name}:0`;
  };
  const signatures = Object.fromEntries(
    Object.entries(model.signatures).map(([key, { inputs, outputs }]): [string, SignatureDef] => [
      key,
      {
        inputs: Object.fromEntries(
          Object.entries(inputs).map(([input, info]) => [
            input,
            scalars.has(info.name.replace(/:0$/, '')) ? { ...info, dtype: 'int64' } : info,
          ]),
        ),
        outputs: Object.fromEntries(
          Object.entries(outputs).map(([output, info]) => [
            output,
            info.dtype === 'float32' ? { ...info, name: narrow(info.name) } : info,
          ]),
        ),
      },
    ]),
  );
  return { nodes: [...nodes, ...narrowed.values()], signatures };
}

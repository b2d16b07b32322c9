/** Files that are refused as a whole, before their nodes are looked at: what they went through cannot be undone. */
import { UserError } from '../../../common/errors.ts';
import type { ForeignDraft } from './draft.ts';
import { labelOf } from './names.ts';
import type { OnnxModel, OnnxNode } from './onnx-proto.ts';
import { foldedNames, operatorNames } from './operators.ts';

/** Operators on whole numbers that stand for others by a scale. */
const QUANTISED =
  /^(Q(uantize)?Linear\w*|DequantizeLinear|DynamicQuantize\w*|(MatMul|Conv)Integer\w*|QGemm|QAttention)$/;
/** Operators that ONNX Runtime puts in the place of several when it optimises a file. */
const RUNTIME_DOMAINS = /^com\.microsoft(\.nchwc)?$/;

/** Why nobody can take over an operator, beyond that there is no operation for it. */
const REASONS: Readonly<Record<string, string>> = {
  If: 'it chooses between two graphs while it runs: export the network with the inputs that it always has',
  Loop: 'it repeats a graph while it runs: export the network with a fixed number of steps',
  Scan: 'it repeats a graph while it runs: export the network with a fixed number of steps',
  LSTM: 'it is a recurrent layer, whose gates share their channels',
  GRU: 'it is a recurrent layer, whose gates share their channels',
  RNN: 'it is a recurrent layer',
};

/** Operators that choose among what a network gives, mostly behind its last layer. */
const CHOICES: Readonly<Record<string, string>> = {
  NonMaxSuppression: 'it chooses boxes by their scores',
  TopK: 'it chooses entries by their values',
};

/** Operators whose inputs are weights, if they are no values of the images. */
const LAYERS = /^(Conv(Transpose)?|DeformConv|Gemm|MatMul|Einsum|PRelu|(Batch|Group|Instance|Layer|RMS)Normalization)$/;

/** Why an unknown operator is in the way. */
export const NO_OPERATION = 'Espalier has no operation for it';

/** The first node with weights that depends on a node, named by its label. */
function layerBehind({ nodes, initialisers }: OnnxModel, label: string): OnnxNode | undefined {
  const weights = new Set(initialisers.keys());
  const behind = new Set<string>();
  for (const node of nodes) {
    const { inputs, outputs, opType } = node;
    const isBehind = inputs.some((name) => behind.has(name));
    if (isBehind && LAYERS.test(opType) && inputs.some((name) => weights.has(name))) return node;
    // Empty names are inputs and outputs that were left out; a node without inputs is a constant.
    const reached =
      isBehind || labelOf(node) === label
        ? behind
        : inputs.every((name) => !name || weights.has(name))
          ? weights
          : undefined;
    for (const name of outputs) if (name) reached?.add(name);
  }
  return undefined;
}

/** Why an operator that chooses is in the way, and whether the network does without it. */
function reasonOfChoice(model: OnnxModel, { attributes: { operator }, origin: { label } }: ForeignDraft): string {
  const layer = layerBehind(model, label);
  if (!layer) return `${CHOICES[operator]}: export the network without its post-processing`;
  const instead = model.keep
    ? ''
    : '. An exported program of the network (.pt2, torch.export) keeps such an operation as it is';
  return `${CHOICES[operator]}, and layers of the network depend on what it chose, ${labelOf(layer)} first${instead}`;
}

/** What to say of an operator that is in the way. */
export function unsupported(
  { file, model }: { readonly file: string; readonly model: OnnxModel },
  draft: ForeignDraft,
): UserError {
  const { attributes, origin } = draft;
  const folded = foldedNames.includes(attributes.operator);
  const known = Object.hasOwn(CHOICES, attributes.operator)
    ? reasonOfChoice(model, draft)
    : Object.hasOwn(REASONS, attributes.operator)
      ? REASONS[attributes.operator]
      : NO_OPERATION;
  const why = folded ? 'Espalier computes this operator only from constants and sizes' : known;
  return new UserError(
    `${file}: ${origin.label} cannot be taken over: ${why}.\nIt takes ${operatorNames.join(', ')}; and of constants ${foldedNames.join(', ')}.`,
  );
}

const named = (names: ReadonlySet<string>): string => [...names].slice(0, 3).join(', ');

/** @throws UserError for a file that was quantised or optimised for one runtime */
export function refuseProcessed({ nodes }: OnnxModel, file: string): void {
  const quantised = new Set(nodes.filter(({ opType }) => QUANTISED.test(opType)).map(({ opType }) => opType));
  if (quantised.size)
    throw new UserError(
      `${file} is quantised (${named(quantised)}): its weights are whole numbers, and pruning needs them as they were trained. Prune the network that it was made from, and quantise the result.`,
    );
  const fused = new Set(nodes.filter(({ domain }) => RUNTIME_DOMAINS.test(domain)).map(({ opType }) => opType));
  if (fused.size)
    throw new UserError(
      `${file} was optimised for ONNX Runtime (${named(fused)} of its own): several layers are one in it. Open the file as it was exported.`,
    );
}

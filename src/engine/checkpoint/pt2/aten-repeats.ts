/** ATen operations that repeat elements. */
import type { AtenRule } from './aten-call.ts';
import type { ProgramSize } from './exported-program.ts';

const expand: AtenRule = (call) => call.result('Expand', [call.tensor('self'), call.shapeValue(call.output().sizes)]);

/** How often each dimension is repeated, by the sizes before and after. */
const repeat: AtenRule = (call) => {
  const after = call.output().sizes;
  const before = [...Array(after.length - call.rank('self')).fill(1), ...call.sizes('self')];
  const counts = after.map((size, i) => {
    const from = before[i] as number | undefined;
    return size === undefined || from === undefined ? undefined : size / from;
  });
  const x = before.length === call.rank('self') ? call.tensor('self') : call.reshaped(call.tensor('self'), before);
  call.result('Tile', [x, call.shapeValue(counts)]);
};

/** Every entry of a dimension so often, one after the other. */
const repeatInterleave: AtenRule = (call) => {
  const repeats = call.number('repeats') ?? call.refuse('it repeats each entry as often as a tensor says');
  if (!(repeats >= 1)) call.refuse('it leaves nothing');
  const after = call.output().sizes;
  const isFlat = !call.has('dim');
  const axis = isFlat ? 0 : call.axis(call.int('dim', 0), after.length);
  const before = after.map((size, i) => (i === axis && size !== undefined ? size / repeats : size));
  const apart = (count: number): ProgramSize[] => [...before.slice(0, axis + 1), count, ...before.slice(axis + 1)];
  const x = isFlat ? call.reshaped(call.tensor('self'), before) : call.tensor('self');
  call.resultReshaped(call.emit('Expand', [call.reshaped(x, apart(1)), call.shapeValue(apart(repeats))]));
};

/** Each vector along a dimension of its own, the same for every place of the others. */
const meshgrid: AtenRule = (call) => {
  const tensors = call.tensors('tensors') as readonly string[];
  const isXy = call.text('indexing', 'ij') === 'xy';
  tensors.forEach((vector, i) => {
    const { sizes } = call.output(i);
    // Rows and columns change places, as in pictures.
    const axis = isXy && i < 2 && sizes.length > 1 ? 1 - i : i;
    const along = call.reshaped(
      vector,
      sizes.map((size, d) => (d === axis ? size : 1)),
    );
    call.resultAt(i, 'Expand', [along, call.shapeValue(sizes)]);
  });
};

export const repeatRules: Readonly<Record<string, AtenRule>> = {
  expand,
  expand_as: expand,
  broadcast_to: expand,
  repeat,
  tile: repeat,
  repeat_interleave: repeatInterleave,
  meshgrid,
};

/** The program of a repair's further rounds: sums with what a ReLU passes as targets. */
import type { GraphNode } from '../../graph/graph.ts';
import {
  type CutValues,
  channelRows,
  fittedRows,
  layerRows,
  type MomentLayer,
  type Networks,
  NO_CUT,
  ownSums,
  targetSums,
} from './moments-program.ts';
import type { Program, Ref } from './program.ts';
import { ProgramBuilder } from './program-builder.ts';
import { onGrid, windowOnGrid } from './row-grid.ts';

/**
 * The sums with targets of a layer that a ReLU follows: outputs `yx`, `y`, `yy` as `momentsProgram` has them. Where the ReLU passes nothing of
 * the dense network, the target is what the student gives if that is not passed either, and the border of what is passed if it is (Zhang, Zou,
 * He and Sun, "Accelerating Very Deep Convolutional Networks for Classification and Detection", 2016, section 3.2). Inputs beside those of
 * `momentsProgram`: `shift` [outputs, 1], what the constant adds to the student's outputs, and `rectifiedScale` [outputs, 1], how far
 * an output moves for each unit of what the ReLU takes.
 */
export function rectifiedTargetsProgram(networks: Networks, layer: MomentLayer, cut: CutValues = NO_CUT): Program {
  if (!layer.rectified) throw new Error(`no ReLU follows ${layer.node.id}`);
  const b = new ProgramBuilder();
  const { value, teacherValue } = layer.rectified;
  const also = { student: [layer.node.id, value], teacher: [teacherValue] };
  const { further, channels, step, input, targets } = layerRows(b, networks, layer, cut, also);
  const [output, taken, dense] = [...further.student, ...further.teacher].map((x) => onGrid(b, x, step));
  const own = channelRows(b, output, channels, undefined);
  const [outputs] = b.shape(targets);
  const given = b.add('add', [own, b.input('shift', [outputs, 1])], {});
  const above = b.add('activation', [channelRows(b, taken, channels, undefined)], { function: 'relu' });
  const excess = b.add('multiply', [above, b.input('rectifiedScale', [outputs, 1])], {});
  const enough = b.add('subtract', [given, excess], {});
  const missing = b.add('subtract', [targets, enough], {});
  const passed = b.add('activation', [channelRows(b, dense, channels, layer.keptOutputs)], { function: 'relu' });
  const wanted = b.add('activationGradient', [missing, passed], { function: 'relu' });
  const aims = b.add('add', [enough, wanted], {});
  if (layer.node.kind === 'conv' && layer.node.attributes.groups === 1) {
    b.output('yx', productsWithInputs(b, layer.node as GraphNode<'conv'>, { step, input, output, aims }));
    ownSums(b, aims);
  } else targetSums(b, ...fittedRows(b, layer, { step, input, targets: aims }));
  return b.finish();
}

/** YᵀX of a convolution is the gradient of its weights for Y as the gradient of its outputs: no patches are written out. */
function productsWithInputs(
  b: ProgramBuilder,
  node: GraphNode<'conv'>,
  {
    step,
    input,
    output,
    aims,
  }: { readonly step: number; readonly input: Ref; readonly output: Ref; readonly aims: Ref },
): Ref {
  const [, outputs, height, width] = b.shape(output);
  const byChannel = b.add('reshape', [aims], { shape: [outputs, -1, height, width] });
  const images = b.add('transpose', [byChannel], { permutation: [1, 0, 2, 3] });
  const weightShape = [outputs, b.shape(input)[1], ...node.attributes.kernel];
  const attributes = { ...windowOnGrid(node.attributes, step), weightShape };
  const gradient = b.add('convWeightGradient', [input, images], attributes);
  const tapsFirst = b.add('transpose', [gradient], { permutation: [0, 2, 3, 1] });
  return b.add('reshape', [tapsFirst], { shape: [outputs, weightShape.slice(1).reduce((n, d) => n * d, 1)] });
}

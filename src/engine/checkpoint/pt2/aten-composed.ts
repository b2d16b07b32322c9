/** ATen operations that are written out as ONNX operators of several steps. */
import type { AtenRule } from './aten-call.ts';

/** self + weight · (end − self). */
const lerp: AtenRule = (call) => {
  const [x, weight] = [call.tensor('self'), call.operand('weight', 'self')];
  call.result('Add', [x, call.emit('Mul', [weight, call.emit('Sub', [call.tensor('end'), x])])]);
};

/** self + value · tensor1 · tensor2, or / tensor2. */
const added =
  (operator: 'Mul' | 'Div'): AtenRule =>
  (call) => {
    const value = call.number('value') ?? 1;
    const pair = call.emit(operator, [call.tensor('tensor1'), call.tensor('tensor2')]);
    const scaled = value === 1 ? pair : call.emit('Mul', [pair, call.constant(value, call.isInteger('self'))]);
    call.result('Add', [call.tensor('self'), scaled]);
  };

const logSumExp: AtenRule = (call) => {
  const rank = call.rank('self');
  const axes = call.ints('dim').map((axis) => call.axis(axis, rank));
  if (!axes.length) call.refuse('it reduces every dimension, the images too');
  call.result('ReduceLogSumExp', [call.tensor('self')], { axes, keepdims: Number(call.flag('keepdim')) });
};

const softShrink: AtenRule = (call) => {
  const lambda = { float: call.number('lambd') ?? 0.5 };
  call.result('Shrink', [call.tensor('self')], { lambd: lambda, bias: lambda });
};

/** Every element of one vector times every one of the other. */
const outer: AtenRule = (call) => {
  const { sizes } = call.output();
  const column = call.reshaped(call.tensor('self'), [sizes[0], 1]);
  call.result('Mul', [column, call.reshaped(call.tensor('vec2'), [1, sizes[1]])]);
};

export const composedRules: Readonly<Record<string, AtenRule>> = {
  lerp,
  outer,
  ger: outer,
  addcmul: added('Mul'),
  addcdiv: added('Div'),
  logsumexp: logSumExp,
  softshrink: softShrink,
  selu: (call) => call.result('Selu', [call.tensor('self')]),
  celu: (call) => call.result('Celu', [call.tensor('self')], { alpha: { float: call.number('alpha') ?? 1 } }),
};

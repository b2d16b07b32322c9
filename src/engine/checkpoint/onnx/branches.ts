/** Branches (If) of which the file itself says which one is taken: exporters leave them where sizes decide. */
import { isFixed } from './constants.ts';
import type { OnnxGraph, OnnxNode } from './onnx-proto.ts';
import type { Value } from './onnx-values.ts';

/** The branch that is always taken; undefined where the images decide, and for other operators. */
export function takenBranch(node: OnnxNode, condition: Value | undefined): OnnxGraph | undefined {
  if (node.domain !== '' || node.opType !== 'If') return undefined;
  if (condition?.kind !== 'known' || !isFixed(condition.constant)) return undefined;
  const { data } = condition.constant.each[0];
  if (data.length !== 1) return undefined;
  const branch = node.attributes.get(data[0] ? 'then_branch' : 'else_branch');
  return branch?.kind === 'graph' ? branch.read() : undefined;
}

/** Norms by a mean over the channels, which the Graph has written out: by the root of the mean square (Zhang & Sennrich 2019), by the mean of responses (Woo et al. 2023). */
import { type Graph, type GraphNode, leavingValues, type ValueId } from '../../graph/graph.ts';

/**
 * Means that only scale what they are the mean square of, by a function of one number, or that only divide what they are the mean of: like a
 * layer norm's, they go over the channels that are left. A sum of squares is a mean times the number of channels, which stays what it was:
 * it is none of them.
 */
export function normMeans(graph: Graph): ReadonlySet<ValueId> {
  const byId = new Map(graph.nodes.map((node) => [node.id, node]));
  const leaving = new Set(leavingValues(graph));
  const users = new Map<ValueId, GraphNode[]>();
  for (const node of graph.nodes)
    for (const id of new Set(node.inputs)) users.set(id, [...(users.get(id) ?? []), node]);

  /** Whether all that is computed of a value scales x. */
  const scales = (value: ValueId, x: ValueId): boolean => {
    const taken = users.get(value) ?? [];
    if (leaving.has(value) || !taken.length) return false;
    return taken.every((user) => {
      const other = user.inputs.find((id) => id !== value);
      if (user.kind === 'multiply') return other === x;
      if (user.kind === 'divide' && user.inputs[0] === x) return user.inputs[1] === value;
      // A number over the root, as ONNX files have it.
      if (user.kind === 'divide') return byId.get(user.inputs[0])?.kind === 'constant' && scales(user.id, x);
      if (user.kind === 'activation') return scales(user.id, x);
      return user.kind === 'add' && byId.get(other ?? '')?.kind === 'constant' && scales(user.id, x);
    });
  };

  /** Whether all that is computed of a value divides x. */
  const divides = (value: ValueId, x: ValueId): boolean => {
    const taken = users.get(value) ?? [];
    if (leaving.has(value) || !taken.length) return false;
    return taken.every((user) => {
      if (user.kind === 'divide') return user.inputs[0] === x && user.inputs[1] === value;
      const other = user.inputs.find((id) => id !== value) ?? '';
      return user.kind === 'add' && byId.get(other)?.kind === 'constant' && divides(user.id, x);
    });
  };

  const isOfNorm = (node: GraphNode): boolean => {
    if (node.kind !== 'mean' || node.attributes.axes.length !== 1 || !node.attributes.keepDimensions) return false;
    if (divides(node.id, node.inputs[0])) return true;
    const squared = byId.get(node.inputs[0]);
    if (squared?.kind !== 'multiply' || squared.inputs[0] !== squared.inputs[1]) return false;
    return scales(node.id, squared.inputs[0]);
  };
  return new Set(graph.nodes.filter(isOfNorm).map(({ id }) => id));
}

/** When each node of a program runs, and when its values are no longer needed. */
import type { Program, Ref } from '../programs/program.ts';

export interface Step {
  /** Index of the node. */
  readonly node: number;
  /** Values that nothing needs after this node. */
  readonly release: readonly Ref[];
}

const key = ({ node, output }: Ref): string => `${node}.${output}`;

/** Nodes that an output or an update depends on. */
function neededNodes({ nodes, outputs, updates }: Program): ReadonlySet<number> {
  const needed = new Set([...Object.values(outputs), ...updates.map(({ value }) => value)].map((ref) => ref.node));
  for (let i = nodes.length - 1; i >= 0; i--)
    if (needed.has(i)) for (const input of nodes[i].inputs) needed.add(input.node);
  return needed;
}

/** The program's nodes in their order, without those that nothing needs. Outputs and updates are kept to the end. */
export function scheduleProgram(program: Program): readonly Step[] {
  const { nodes, outputs, updates } = program;
  const kept = new Set([...Object.values(outputs), ...updates.map(({ value }) => value)].map(key));
  const needed = neededNodes(program);
  const released = new Set<string>();
  const steps: Step[] = [];
  for (let node = nodes.length - 1; node >= 0; node--) {
    if (!needed.has(node)) continue;
    const own = nodes[node].shapes.map((_, output): Ref => ({ node, output }));
    const release = [...nodes[node].inputs, ...own].filter((ref) => {
      if (kept.has(key(ref)) || released.has(key(ref))) return false;
      released.add(key(ref));
      return true;
    });
    steps.push({ node, release });
  }
  return steps.reverse();
}

/** Runs: three or more equal blocks in a row become one item, which a person opens when the blocks matter one by one. */
import type { Draft } from './items.ts';

/** Fewer stay single: two boxes are as easily read as one that stands for two. */
export const SHORTEST_RUN = 3;

const nameOf = (key: string): string => key.slice(key.lastIndexOf('.') + 1);

/** Stretches of at least SHORTEST_RUN modules of equal structure among the children. */
function stretches(drafts: readonly Draft[], children: readonly number[]): number[][] {
  const found: number[][] = [];
  let run: number[] = [];
  for (const child of children) {
    const [first] = run;
    const extends_ =
      first !== undefined && drafts[child].kind === 'module' && drafts[child].structure === drafts[first].structure;
    if (extends_) run.push(child);
    else {
      if (run.length >= SHORTEST_RUN) found.push(run);
      run = drafts[child].kind === 'module' ? [child] : [];
    }
  }
  if (run.length >= SHORTEST_RUN) found.push(run);
  return found;
}

/** Inserts run items. A module that holds nothing but one run stays as it is: it is the run. */
export function foldRuns(drafts: Draft[]): void {
  const structures = new Map<string, number>();
  let next = drafts.reduce((most, draft) => Math.max(most, draft.structure), 0) + 1;
  for (const [index, draft] of [...drafts.entries()]) {
    for (const run of stretches(drafts, draft.children)) {
      if (run.length === draft.children.length) continue;
      const [first, last] = [drafts[run[0]], drafts[run[run.length - 1]]];
      const shape = `${first.structure}×${run.length}`;
      if (!structures.has(shape)) structures.set(shape, next++);
      const item = drafts.length;
      drafts.push({
        kind: 'run',
        key: `${first.key}…${nameOf(last.key)}`,
        name: `${first.name} – ${last.name}`,
        type: first.type,
        parent: index,
        children: run,
        node: -1,
        nodes: run.flatMap((child) => drafts[child].nodes),
        structure: structures.get(shape) as number,
      });
      draft.children = draft.children.filter((child) => !run.includes(child) || child === run[0]);
      draft.children[draft.children.indexOf(run[0])] = item;
      for (const child of run) drafts[child].parent = item;
    }
  }
}

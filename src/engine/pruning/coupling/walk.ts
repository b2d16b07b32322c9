/** One walk over the Graph that lets every axis rule speak: the factors of all dimensions, not yet settled. */
import {
  type Graph,
  type GraphNode,
  isClassifier,
  leavingValues,
  parametersByName,
  type ValueId,
} from '../../graph/graph.ts';
import type { OperationKind, ParameterRole } from '../../graph/operations.ts';
import { inferShapes } from '../../graph/shapes.ts';
import type { AxisContext, AxisRule } from './axis-context.ts';
import { type AxisRules, freezeAll } from './axis-rules.ts';
import { type Dimensions, FactorTable, type FrozenReason } from './factors.ts';
import { normMeans } from './mean-norms.ts';
import { type Relation, settleRelations } from './relations.ts';

export interface Walk {
  readonly factors: FactorTable;
  readonly values: ReadonlyMap<ValueId, Dimensions>;
  /** By state-dict name. */
  readonly parameters: ReadonlyMap<string, Dimensions>;
  readonly relations: readonly Relation[];
}

const STORED: ReadonlySet<OperationKind> = new Set(['parameter', 'constant']);

/**
 * Factors of every dimension of every value and parameter, at their fixed point. An operation without a rule freezes
 * what it touches.
 */
export function walkAxes(graph: Graph, rules: Partial<AxisRules>): Walk {
  const factors = new FactorTable();
  const shapes = inferShapes(graph);
  const specs = parametersByName(graph);
  const kinds = new Map(graph.nodes.map((node) => [node.id, node.kind]));
  const norms = normMeans(graph);
  const values = new Map<ValueId, Dimensions>();
  const parameters = new Map<string, Dimensions>();
  const relations: Relation[] = [];

  const bind = (name: string, dimensions: Dimensions, otherwise: FrozenReason): void => {
    const bound = parameters.get(name);
    if (!bound) parameters.set(name, dimensions);
    else for (const [i, list] of bound.entries()) factors.unite(list, dimensions[i], otherwise);
  };

  for (const node of graph.nodes) {
    const reason = (text: string): FrozenReason => ({ kind: 'operation', text: `${node.id} (${node.kind}) ${text}` });
    const context: AxisContext = {
      node,
      factors,
      inputs: node.inputs.map((id) => values.get(id) as Dimensions),
      inputShapes: node.inputs.map((id) => shapes.get(id) as readonly number[]),
      isNorm: norms.has(node.id),
      isConstant: node.inputs.map((id) => kinds.get(id) === 'constant'),
      isStored: node.inputs.map((id) => STORED.has(kinds.get(id) as OperationKind)),
      shape: shapes.get(node.id) as readonly number[],
      parameterShape: (role) => specs.get(node.parameters[role] ?? '')?.shape,
      bind: (role, dimensions) => {
        const name = node.parameters[role];
        if (name !== undefined) bind(name, dimensions, reason('shares a parameter whose dimensions do not line up'));
      },
      relate: (relation) => relations.push({ ...relation, otherwise: reason('cuts dimensions where no factor ends') }),
      reason,
    };
    const rule = (rules[node.kind] ?? freezeAll) as AxisRule<OperationKind>;
    values.set(node.id, rule(context));
    if (rule === freezeAll) freezeParameters(node, factors, specs, parameters, reason('cannot be followed'));
  }
  tieChannels(graph, factors, values);
  freezeOutputs(graph, factors, values);
  settleRelations(factors, relations);
  return { factors, values, parameters, relations };
}

/** Widths that the network's classes have once for two values. */
function tieChannels(
  { tiedChannels = [] }: Graph,
  factors: FactorTable,
  values: ReadonlyMap<ValueId, Dimensions>,
): void {
  for (const [a, b] of tiedChannels) {
    const [first, second] = [a, b].map((id) => values.get(id)?.[1]);
    const text = `${a} and ${b} have one width in the network's classes and do not line up`;
    if (first && second) factors.unite(first, second, { kind: 'operation', text });
  }
}

/** Whoever uses the network counts on all of what it gives. */
function freezeOutputs(graph: Graph, factors: FactorTable, values: ReadonlyMap<ValueId, Dimensions>): void {
  const names = new Map(graph.outputs.map(({ name, value }) => [value, name]));
  for (const id of leavingValues(graph)) {
    const text = isClassifier(graph) ? 'class logits' : `the output ${names.get(id) ?? id}`;
    for (const list of values.get(id) as Dimensions) factors.freeze(list, { kind: 'classes', text });
  }
}

/** Parameters of an operation that cannot be followed. */
function freezeParameters(
  node: GraphNode,
  factors: FactorTable,
  specs: ReadonlyMap<string, { readonly shape: readonly number[] }>,
  parameters: Map<string, Dimensions>,
  reason: FrozenReason,
): void {
  for (const role of Object.keys(node.parameters) as ParameterRole[]) {
    const name = node.parameters[role] as string;
    const bound = parameters.get(name) ?? (specs.get(name)?.shape ?? []).map((d) => factors.create(d, reason));
    for (const list of bound) factors.freeze(list, reason);
    parameters.set(name, bound);
  }
}

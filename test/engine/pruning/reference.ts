/** The whole way through the engine on the reference's cases: every figure that they record. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Graph } from '../../../src/engine/graph/graph.ts';
import { graphCost } from '../../../src/engine/graph/macs.ts';
import { type Tensor, toFloat32 } from '../../../src/engine/graph/tensor.ts';
import { couple } from '../../../src/engine/pruning/coupling/couple.ts';
import {
  type Group,
  type Groups,
  groupOf,
  headCounts,
  isPrunable,
} from '../../../src/engine/pruning/coupling/groups.ts';
import type { Plan, PlannedGroup, PlanOptions } from '../../../src/engine/pruning/planning/plan-types.ts';
import { compilePlanner } from '../../../src/engine/pruning/planning/planner.ts';
import { findScopes } from '../../../src/engine/pruning/planning/scopes.ts';
import { type Pruned, prune } from '../../../src/engine/pruning/rebuilding/apply-plan.ts';
import { planBlocks } from '../../../src/engine/pruning/rebuilding/remove-layers.ts';
import { scoreGroups } from '../../../src/engine/pruning/scoring/importance.ts';
import { digest, fillWeights } from '../../support/detfill.ts';
import { caseNames } from '../../support/reference.ts';
import { caseGradients, caseGraph, type ReferenceCase, readCases } from './cases.ts';

const close = (found: number, wanted: number, what: string, tolerance = 1e-9): void =>
  assert.ok(Math.abs(found - wanted) <= tolerance * Math.max(1, Math.abs(wanted)), `${what}: ${found}, not ${wanted}`);

/** The group that a case's root belongs to. */
function groupOfRoot(groups: Groups, root: string, direction = 'prune_out_channels'): Group {
  const group = groupOf(groups, root, direction === 'prune_in_channels' ? 'in' : 'out');
  assert.ok(group, `${root} is in no group`);
  return group;
}

/** Bare parameters have numbers for names there; patch merging is one member there and two layers here. */
const comparable = (members: readonly (readonly [string, string, number])[]): string[] =>
  members
    .filter(([layer]) => !layer.startsWith('Unwrapped') && !/downsample(\.norm|\.reduction)?$/.test(layer))
    .map((member) => member.join(' '))
    .sort();

function checkGroups(graph: Graph, reference: ReferenceCase): Groups {
  const groups = couple(graph);
  const prunable = groups.groups.filter((group) => isPrunable(group) && group.dims !== undefined);
  assert.equal(prunable.length, reference.groups.length, 'number of groups');
  const scopes = findScopes(groups, { isomorphic: true, global: true, headDims: false });
  const scopeOf = new Map(scopes.flatMap(({ id, groups: ids }) => ids.map((group) => [group, id] as const)));
  const matched = new Map<number, number>();
  for (const wanted of reference.groups) {
    const group = groupOfRoot(groups, wanted.root);
    const members = group.members
      .filter(({ kind }) => kind !== 'bare')
      .map(({ layer, side, count }) => [layer, side, count] as const);
    const theirs = wanted.members.map(
      ([layer, direction, count]) => [layer, direction === 'prune_in_channels' ? 'in' : 'out', count] as const,
    );
    assert.deepEqual(comparable(members), comparable(theirs), `members of ${wanted.root}`);
    assert.equal(group.channelGroups, wanted.channel_groups, `channel groups of ${wanted.root}`);
    const scope = scopeOf.get(group.id) as number;
    assert.equal(matched.get(scope) ?? wanted.scope, wanted.scope, `scope of ${wanted.root}`);
    matched.set(scope, wanted.scope);
  }
  assert.equal(matched.size, new Set(reference.groups.map(({ scope }) => scope)).size, 'number of scopes');
  return groups;
}

function caseOptions({ args }: ReferenceCase): PlanOptions {
  return {
    ratio: args.pruning_ratio,
    headRatio: args.head_pruning_ratio,
    headDimRatio: args.head_dim_pruning_ratio ?? undefined,
    isomorphic: args.isomorphic,
    global: args.global_pruning,
    roundTo: args.round_to,
  };
}

/** How many channels went of each root, and the sum of their indices. */
function checkPlan(plan: Plan, groups: Groups, reference: ReferenceCase): void {
  for (const [root, direction, count, sum] of reference.pruned_groups) {
    const group = groupOfRoot(groups, root, direction);
    const { kept, width } = plan.groups.find((planned) => planned.root === group.root) as PlannedGroup;
    const heads = plan.heads.find(({ layer }) => layer === group.root);
    const dims = new Set(kept);
    const keptHeads = new Set(heads?.kept);
    const gone: number[] = [];
    for (let i = 0; i < group.channels; i++)
      if (!dims.has(i % width) || (heads && !keptHeads.has(Math.floor(i / width)))) gone.push(i);
    assert.equal(gone.length, count, `channels removed from ${root}`);
    assert.equal(
      gone.reduce((a, b) => a + b, 0),
      sum,
      `indices removed from ${root}`,
    );
  }
}

function checkPruned({ graph, weights }: Pruned, reference: ReferenceCase): void {
  const { macs, params } = graphCost(graph);
  assert.deepEqual({ macs, params }, reference.pruned);
  assert.deepEqual(headCounts(couple(graph)), reference.num_heads);
  for (const [name, wanted] of Object.entries(reference.tensors)) {
    const tensor = weights.get(name) as Tensor;
    assert.ok(tensor, `${name} is missing`);
    const found = digest(tensor.shape, toFloat32(tensor));
    assert.deepEqual(found.shape, wanted.shape, `shape of ${name}`);
    close(found.sum, wanted.sum, `sum of ${name}`, 1e-7);
    close(found.weighted, wanted.weighted, `weighted sum of ${name}`, 1e-7);
  }
}

/** Networks of more than 80 million parameters, or many small ones: run by `npm run test:full`. */
const SLOW: ReadonlySet<string> = new Set(['convnext_4.2G', 'convnext_8.5G', 'deit_4.2G', 'regnety_160', 'swin_4.5G']);

/** Registers a test for each case of one of the two kinds. */
export function testCases(kind: 'quick' | 'slow'): void {
  const cases = readCases().filter((each) => SLOW.has(each.case) === (kind === 'slow'));
  assert.equal(cases.length, kind === 'slow' ? SLOW.size : caseNames.length - SLOW.size);
  for (const reference of cases)
    test(`${reference.case}: groups, scopes, scores, plan and pruned tensors`, () =>
      checkCase(reference, caseGraph(reference)));
}

async function checkCase(reference: ReferenceCase, graph: Graph): Promise<void> {
  const weights = fillWeights(graph);
  const groups = checkGroups(graph, reference);
  const { pruning_type: criterion } = reference.args;
  const gradients = caseGradients(graph, criterion);
  const scores = await scoreGroups(groups, weights, { criterion, gradients });
  for (const { root, importance } of reference.groups) {
    if (!importance) continue; // the Hessian case records none
    const found = scores.channels[groupOfRoot(groups, root).id] as Float64Array;
    const { shape, sum, weighted } = digest([found.length], found);
    assert.deepEqual(shape, importance.shape);
    close(sum, importance.sum, `sum of the scores of ${root}`);
    close(weighted, importance.weighted, `weighted sum of the scores of ${root}`);
  }
  const channels = compilePlanner(groups, scores).plan(caseOptions(reference));
  checkPlan(channels, groups, reference);
  const { macs, params } = channels.before;
  assert.deepEqual({ macs, params }, reference.base);
  const plan = planBlocks(
    { groups, weights, scoring: { criterion, gradients } },
    channels,
    reference.args.remove_layers,
  );
  assert.deepEqual(plan.blocks?.kept, reference.kept_blocks);
  checkPruned(prune(graph, weights, plan, groups), reference);
  assert.deepEqual({ ...plan.after, macsTrue: 0 }, { ...reference.pruned, macsTrue: 0 }, 'cost that the plan promises');
}

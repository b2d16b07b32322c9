/** The pruning job: couple, score, plan, prune, repair; every stage timed. */

import type { RunContext } from '../../common/progress.ts';
import type { Executor } from '../compute/executor.ts';
import type { Graph } from '../graph/graph.ts';
import type { Cost } from '../graph/macs.ts';
import { graphCost } from '../graph/macs.ts';
import type { Weights } from '../graph/tensor.ts';
import { couple } from '../pruning/coupling/couple.ts';
import { countsByLayer, type Groups } from '../pruning/coupling/groups.ts';
import { ignoreLayers } from '../pruning/planning/ignore.ts';
import { frozenNotes, keptWholeNotes } from '../pruning/planning/plan-notes.ts';
import type { Plan } from '../pruning/planning/plan-types.ts';
import { type Pruned, prune } from '../pruning/rebuilding/apply-plan.ts';
import { divergenceOf } from '../training/divergence.ts';
import type { LatencyReport } from './latency/latency-plans.ts';
import type { LatencyChoice } from './latency/latency-target.ts';
import { type MadePlans, makePlans, type NamedPlan } from './make-plans.ts';
import type { Model } from './opening/model.ts';
import { headsByLayer } from './opening/model-info.ts';
import type { AllocationMode, PruneRequest } from './prune-request.ts';
import { keptOfPlan, type ModelRecord, withStep } from './record.ts';
import { repairModel } from './repair/repair.ts';
import { summariseRepair } from './repair/repair-pruned.ts';
import type { RepairReport } from './repair/repair-report.ts';
import { scoreModel, scoringFor } from './scores.ts';

/** Seconds of every stage. */
interface PruneSeconds {
  readonly couple: number;
  readonly score: number;
  readonly plan: number;
  readonly prune: number;
  readonly repair: number;
}

export interface PruneReport {
  readonly plan: Plan;
  /** Absent with `planOnly`. */
  readonly graph?: Graph;
  readonly weights?: Weights;
  readonly record: ModelRecord;
  readonly before: Cost;
  readonly after: Cost;
  readonly heads: Readonly<Record<string, number>>;
  /** Places of the blocks that stay, where blocks were removed. */
  readonly keptBlocks?: readonly number[];
  readonly scored: 'computed' | 'cached' | 'not needed';
  /** What the repair did, where one was asked for. */
  readonly repair?: RepairReport;
  /** Plans that were weighed against each other, repaired: divergence from the dense network on held-out images. */
  readonly weighed?: readonly WeighedPlan[];
  /** What was measured of this machine, and of the plan that was taken. */
  readonly latency?: LatencyReport & { readonly choice?: LatencyChoice };
  readonly seconds: PruneSeconds;
  /** What the person should know: what could not be pruned, and what stayed whole. */
  readonly notes: readonly string[];
}

interface WeighedPlan {
  readonly allocate: AllocationMode;
  readonly divergence: number;
}

class Stopwatch {
  readonly seconds: Record<keyof PruneSeconds, number> = { couple: 0, score: 0, plan: 0, prune: 0, repair: 0 };

  async time<T>(stage: keyof PruneSeconds, work: () => T | Promise<T>): Promise<T> {
    const start = performance.now();
    const result = await work();
    this.seconds[stage] += (performance.now() - start) / 1000;
    return result;
  }
}

/** One line of what was done, for the model's history. */
function summarise(request: PruneRequest, plan: Plan): string {
  const giga = (macs: number): string => `${(macs / 1e9).toFixed(3)} G`;
  const { isomorphic, global } = request.options;
  const scope = global === false ? 'local' : isomorphic === false ? 'global' : 'isomorphic';
  return `${request.score.criterion}, ${scope}, ${giga(plan.after.macs)} of ${giga(plan.before.macs)} MACs`;
}

/** A plan carried out. */
interface Made {
  readonly plan: Plan;
  readonly pruned: Pruned;
  readonly repair?: RepairReport;
  readonly weighed?: readonly WeighedPlan[];
}

/** What the stages of a pruning work on. */
interface Work {
  readonly model: Model;
  readonly weights: Weights;
  readonly groups: Groups;
  readonly request: PruneRequest;
  readonly executor: () => Promise<Executor>;
  readonly context: RunContext;
  readonly watch: Stopwatch;
}

async function carryOut(
  { model, weights, groups, request, executor, context, watch }: Work,
  plan: Plan,
): Promise<Made> {
  const { graph: teacher } = model;
  const pruned = await watch.time('prune', () => prune(teacher, weights, plan, groups));
  const { repair: images } = request;
  if (!images) return { plan, pruned };
  const { graph: student, keptIndices: kept } = pruned;
  const inputs = { student, weights: pruned.weights, teacher, teacherWeights: weights, kept };
  const repair = await watch.time('repair', async () => repairModel(inputs, images, await executor(), context));
  return { plan, pruned, repair };
}

const repairedDivergence = ({ candidates, chosen }: RepairReport): number =>
  Math.min(...candidates.filter(({ outcome }) => outcome === chosen).map(({ divergence }) => divergenceOf(divergence)));

/** Carries the plans out; of several the one that diverges least from the dense network after its repair. */
async function carryOutBest(work: Work, plans: readonly NamedPlan[]): Promise<Made> {
  // Without a repair nothing tells them apart: the one asked for is the last.
  if (!work.request.repair || plans.length < 2) return carryOut(work, (plans.at(-1) as NamedPlan).plan);
  const weighed: WeighedPlan[] = [];
  let best: Made | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const { allocate, plan } of plans) {
    const made = await carryOut(work, plan);
    const divergence = made.repair ? repairedDivergence(made.repair) : Number.POSITIVE_INFINITY;
    weighed.push({ allocate, divergence });
    if (best && divergence >= least) continue;
    best = made;
    least = divergence;
  }
  return { ...(best as Made), weighed };
}

async function plansOf({
  model,
  weights,
  groups,
  request,
  executor,
  context,
  watch,
}: Work): Promise<MadePlans & { readonly scored: PruneReport['scored'] }> {
  if (request.plan) return { plans: [{ allocate: 'uniform', plan: request.plan }], scored: 'not needed' };
  // Blocks are scored by the gradients themselves, which the cache does not keep.
  const keep = { gradients: (request.removeLayers ?? 0) > 0 };
  const { scores, cached, gradients } = await watch.time('score', () =>
    scoreModel(groups, weights, scoringFor(model, request.score), executor, context, keep),
  );
  const { criterion, seed } = request.score;
  const scoring = { criterion, ...(seed !== undefined && { seed }), ...(gradients && { gradients }) };
  const pinned = ignoreLayers(groups, request.ignore ?? []);
  const inputs = { groups: pinned, weights, scoring };
  const made = await watch.time('plan', () => makePlans(inputs, scores, request, executor, context));
  return { ...made, scored: cached ? 'cached' : 'computed' };
}

/**
 * Prunes a model. Weights are read once; the pruned ones share what they do not lose.
 *
 * @param executor asked for when something must be computed: gradients, a repair
 * @throws UserError for an impossible target, missing gradients, weights that are not finite
 */
export async function pruneModel(
  model: Model,
  request: PruneRequest,
  executor: () => Promise<Executor>,
  context: RunContext = {},
  flags: { readonly planOnly?: boolean } = {},
): Promise<PruneReport> {
  const { graph } = model;
  const watch = new Stopwatch();
  const groups = await watch.time('couple', () => couple(graph));
  const weights = await model.weights(context);
  const work: Work = { model, weights, groups, request, executor, context, watch };
  const { plans, scored, latency } = await plansOf(work);
  const choiceOf = (plan: Plan): LatencyChoice | undefined => plans.find((named) => named.plan === plan)?.latency;
  const before = graphCost(graph);
  const common = (plan: Plan) => ({
    plan,
    record: prunedRecord(model, request, plan),
    before,
    notes: [...frozenNotes(groups), ...keptWholeNotes(plan)],
    ...(plan.blocks && { keptBlocks: plan.blocks.kept }),
    scored,
    ...(latency && { latency: withChoice(latency, choiceOf(plan)) }),
    seconds: watch.seconds,
  });
  if (flags.planOnly) {
    const { plan } = plans.at(-1) as NamedPlan;
    return { ...common(plan), after: plan.after, heads: plannedHeads(plan) };
  }
  const { plan, pruned, repair, weighed } = await carryOutBest(work, plans);
  const report = common(plan);
  return {
    ...report,
    ...(repair && { repair, record: withRepair(report.record, model, repair) }),
    ...(weighed && { weighed }),
    graph: pruned.graph,
    weights: repair?.weights ?? pruned.weights,
    after: graphCost(pruned.graph),
    heads: headsByLayer(pruned.graph),
  };
}

const withChoice = (report: LatencyReport, choice: LatencyChoice | undefined): NonNullable<PruneReport['latency']> =>
  choice ? { ...report, choice } : report;

const prunedRecord = (model: Model, request: PruneRequest, plan: Plan): ModelRecord =>
  withStep(model.record, graphCost(model.graph), {
    step: 'pruned',
    summary: summarise(request, plan),
    kept: keptOfPlan(plan),
    ...(model.file && { parent: model.file }),
  });

function withRepair(record: ModelRecord, model: Model, report: RepairReport): ModelRecord {
  const step = {
    step: 'repaired',
    summary: summariseRepair(report),
    ...(model.file && { parent: model.file }),
  } as const;
  return withStep(record, graphCost(model.graph), step);
}

const plannedHeads = (plan: Plan): Record<string, number> =>
  countsByLayer(plan.heads.map(({ layer, part, kept }) => ({ layer, part, count: kept.length })));

/** Targets in milliseconds on a machine that is a formula: what is predicted, what is taken, what is kept, what is refused. */
import assert from 'node:assert/strict';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { parseLatencyTarget } from '../../../../src/common/latency-target.ts';
import { buildModel as build } from '../../../../src/engine/architectures/registry.ts';
import { createExecutor } from '../../../../src/engine/compute/backends.ts';
import type { Executor, Session } from '../../../../src/engine/compute/executor.ts';
import { segmentProgram } from '../../../../src/engine/compute/programs/segment-program.ts';
import type { Graph } from '../../../../src/engine/graph/graph.ts';
import { nodeMacs } from '../../../../src/engine/graph/macs.ts';
import { findLatency, keepLatency } from '../../../../src/engine/jobs/latency/kept-latency.ts';
import { LatencyCache, measuredOn } from '../../../../src/engine/jobs/latency/latency-cache.ts';
import {
  ExecutorMeter,
  type LatencyMeter,
  type SegmentRequest,
} from '../../../../src/engine/jobs/latency/latency-meter.ts';
import { LatencyPlanning } from '../../../../src/engine/jobs/latency/latency-plans.ts';
import { planAtLatency, targetMilliseconds } from '../../../../src/engine/jobs/latency/latency-target.ts';
import {
  type PredictedLatency,
  predictLatency,
  worstError,
} from '../../../../src/engine/jobs/latency/predicted-latency.ts';
import { chooseMultiple, measureRounding, oddMultiple } from '../../../../src/engine/jobs/latency/round-to-auto.ts';
import { couple } from '../../../../src/engine/pruning/coupling/couple.ts';
import type { Groups } from '../../../../src/engine/pruning/coupling/groups.ts';
import { graphAt, gridOf, setSteps } from '../../../../src/engine/pruning/latency/grid-widths.ts';
import { fitLatency } from '../../../../src/engine/pruning/latency/latency-model.ts';
import { segmentNetwork } from '../../../../src/engine/pruning/latency/segments.ts';
import { gridPoints, interpolate, widthLevels } from '../../../../src/engine/pruning/latency/width-grid.ts';
import { compilePlanner, type Planner } from '../../../../src/engine/pruning/planning/planner.ts';
import { planWithin } from '../../../../src/engine/pruning/planning/target.ts';
import { scoreGroups } from '../../../../src/engine/pruning/scoring/importance.ts';
import { workFolder } from '../../training/tiny.ts';

const work = workFolder();
const buildModel = (name: string): Graph => build(name) ?? assert.fail(name);
const OPTIONS = { isomorphic: true, global: true, roundTo: 2 };

const plannerOf = async (groups: Groups): Promise<Planner> =>
  compilePlanner(groups, await scoreGroups(groups, new Map(), { criterion: 'random', seed: 1 }));

/** Milliseconds of nodes on a machine that computes `lanes` channels at a time. */
function formula(graph: Graph, ids: ReadonlySet<string>, lanes: number): number {
  const macs = nodeMacs(graph);
  const shapes = new Map(graph.parameters.map(({ name, shape }) => [name, shape]));
  let milliseconds = 0;
  for (const node of graph.nodes) {
    if (!ids.has(node.id)) continue;
    const [outputs = 1] = shapes.get(node.parameters.weight ?? '') ?? [];
    milliseconds += 0.01 + ((macs.get(node.id) ?? 0) / 1e7) * ((Math.ceil(outputs / lanes) * lanes) / outputs);
  }
  return milliseconds;
}

/** Segments take what the formula says, whole networks a little more. */
class FormulaMeter implements LatencyMeter {
  segmentRuns = 0;

  constructor(
    private readonly lanes = 1,
    private readonly whole: (sum: number) => number = (sum) => 0.3 + 1.1 * sum,
  ) {}

  segments(requests: readonly SegmentRequest[]): Promise<readonly number[]> {
    this.segmentRuns += requests.length;
    return Promise.resolve(requests.map(({ segment, graph }) => formula(graph, new Set(segment.nodes), this.lanes)));
  }

  networks(graphs: readonly Graph[]): Promise<readonly number[]> {
    return Promise.resolve(
      graphs.map((graph) => this.whole(formula(graph, new Set(graph.nodes.map(({ id }) => id)), this.lanes))),
    );
  }
}

test('a target names its unit', () => {
  assert.deepEqual(parseLatencyTarget('12ms'), { milliseconds: 12 });
  assert.deepEqual(parseLatencyTarget(' 0,5 s'), { milliseconds: 500 });
  assert.deepEqual(parseLatencyTarget('60%'), { fraction: 0.6 });
  for (const wrong of ['12', '0ms', '-3ms', 'ms', '12 kg', ''])
    assert.equal(parseLatencyTarget(wrong), undefined, wrong);
});

test('between the points of a grid times are linear along every axis', () => {
  const levels = [
    [8, 24, 64],
    [4, 16],
  ];
  const time = ([a, b]: readonly number[]): number => 1 + 2 * a + 3 * b + 0.5 * a * b;
  const milliseconds = gridPoints(levels).map((places) => time(places.map((i, axis) => levels[axis][i])));
  for (const at of [
    [8, 4],
    [64, 16],
    [30, 9],
    [50, 4],
  ])
    assert.ok(Math.abs(interpolate({ levels, milliseconds }, at) - time(at)) < 1e-9);
  assert.equal(interpolate({ levels: [], milliseconds: [3] }, []), 3);
  // Under the grid the last cell's line would fall below zero.
  assert.equal(interpolate({ levels: [[8, 16]], milliseconds: [1, 20] }, [1]), 0.5);
  assert.deepEqual(widthLevels(10, [1 / 8, 3 / 8, 6 / 8, 1], 4), [4, 8, 10]);
});

test('a fit finds the fixed part and the factor, and neither is negative', () => {
  const line = fitLatency([1, 2, 5].map((sum) => ({ sum, milliseconds: 0.4 + 1.5 * sum })));
  assert.ok(Math.abs(line.fixed - 0.4) < 1e-9 && Math.abs(line.factor - 1.5) < 1e-9);
  const below = fitLatency([1, 2, 4].map((sum) => ({ sum, milliseconds: 2 * sum - 0.5 })));
  assert.equal(below.fixed, 0);
  assert.ok(below.factor > 1.5 && below.factor < 2);
});

test('segments have every node once, and equal ones are told by their widths', () => {
  for (const name of [
    'resnet20',
    'mobilenetv2_100',
    'deit_tiny_patch16_224',
    'swin_tiny_patch4_window7_224',
    'densenet121',
    'seresnet50',
  ]) {
    const graph = buildModel(name);
    const segments = segmentNetwork(couple(graph));
    assert.deepEqual(
      segments.flatMap(({ nodes }) => nodes).toSorted(),
      graph.nodes.map(({ id }) => id).toSorted(),
      name,
    );
    for (const segment of segments) {
      const { outputs, inputs } = segmentProgram(graph, segment, 2, 'x/');
      assert.ok('corners' in outputs && inputs.length > 0, `${name} ${segment.name}`);
    }
  }
  const kinds = new Set(segmentNetwork(couple(buildModel('resnet20'))).map(({ signature }) => signature));
  assert.ok(kinds.size < 17, `${kinds.size} kinds of 20 layers`);
});

test('times are predicted, on networks that the fit has not seen too; what was measured is not measured again', async () => {
  const groups = couple(buildModel('resnet20'));
  const planner = await plannerOf(groups);
  const meter = new FormulaMeter(4);
  const cache = await LatencyCache.open(path.join(work, 'cache'), 'here');
  const model = await predictLatency(planner, OPTIONS, meter, cache);
  assert.ok(worstError(model) < 0.08, `${worstError(model)}`);
  assert.equal(model.heldOut.length, 4);
  assert.equal(model.segments.measured, meter.segmentRuns);
  assert.ok(model.segments.refined > 0);

  const again = new FormulaMeter(4);
  const known = await predictLatency(
    planner,
    OPTIONS,
    again,
    await LatencyCache.open(path.join(work, 'cache'), 'here'),
  );
  assert.equal(again.segmentRuns, 0);
  assert.equal(known.segments.cached, model.segments.measured);
  assert.deepEqual(known.heldOut, model.heldOut);

  const elsewhere = new FormulaMeter(4);
  await predictLatency(planner, OPTIONS, elsewhere, await LatencyCache.open(path.join(work, 'cache'), 'there'));
  assert.equal(elsewhere.segmentRuns, meter.segmentRuns);

  for (const damage of ['{', 'null', '{"where":"here","times":{"x":-1}}', '{"where":"other","times":{"x":1}}'])
    for (const name of await readdir(path.join(work, 'cache'))) {
      await writeFile(path.join(work, 'cache', name), damage);
      assert.equal((await LatencyCache.open(path.join(work, 'cache'), 'here')).get('x'), undefined, damage);
    }
});

test('what times hold for is said of one thread as of one, of two as of two', () => {
  assert.match(measuredOn({ label: 'here' }, 1, 8), /; here, 1 thread, batch 8$/);
  assert.match(measuredOn({ label: 'here' }, 2, 8), /; here, 2 threads, batch 8$/);
});

test('what was kept of a network is known again: not elsewhere, at other multiples, of another network, or damaged', async () => {
  const folder = path.join(work, 'kept');
  const groups = couple(buildModel('resnet20'));
  const place = { groups, roundTo: 2, where: 'here' };
  const cache = await LatencyCache.open(folder, 'here');
  const model = await predictLatency(await plannerOf(groups), OPTIONS, new FormulaMeter(4), cache);
  assert.equal(await findLatency(folder, place), undefined);
  await keepLatency(folder, place, model, {});
  const found = await findLatency(folder, place);
  assert.ok(found);
  const sizes = groups.sets.map(({ size }) => Math.ceil(0.6 * size));
  assert.equal(found.bound.of(Int32Array.from(sizes)), model.bound.of(Int32Array.from(sizes)));
  assert.deepEqual([found.dense, found.fit, found.heldOut], [model.dense, model.fit, model.heldOut]);
  assert.deepEqual([found.segments.measured, found.segments.kinds], [0, model.segments.kinds]);
  const others = [{ where: 'there' }, { roundTo: 4 }, { groups: couple(buildModel('resnet32')) }];
  for (const other of others) assert.equal(await findLatency(folder, { ...place, ...other }), undefined);
  const [fit] = (await readdir(folder)).filter((name) => name.endsWith('.fit.json'));
  const kept = await readFile(path.join(folder, fit), 'utf8');
  for (const damage of ['{', kept.replace('"dense":', '"dense":-'), kept.replace('"here"', '"there"')]) {
    await writeFile(path.join(folder, fit), damage);
    assert.equal(await findLatency(folder, place), undefined, damage.slice(0, 80));
  }
  await writeFile(path.join(folder, fit), kept);
  assert.ok(await findLatency(folder, place));
  for (const name of await readdir(folder)) if (name !== fit) await rm(path.join(folder, name));
  assert.equal(await findLatency(folder, place), undefined, 'the times of its layers are gone');
});

test('measured anew: nothing that was kept is taken, and what is not measured stays', async () => {
  const folder = path.join(work, 'anew');
  const first = await LatencyCache.open(folder, 'here');
  first.set('a', 1);
  first.set('b', 2);
  await first.save();
  const anew = await LatencyCache.open(folder, 'here', true);
  assert.equal(anew.get('a'), undefined);
  anew.set('a', 3);
  assert.equal(anew.get('a'), 3);
  await anew.save();
  const after = await LatencyCache.open(folder, 'here');
  assert.deepEqual([after.get('a'), after.get('b')], [3, 2]);
});

/** A model of a formula, and a planner bound by it. */
async function measuredPlanner(meter: LatencyMeter): Promise<{ planner: Planner; model: PredictedLatency }> {
  const groups = couple(buildModel('resnet20'));
  const scores = await scoreGroups(groups, new Map(), { criterion: 'random', seed: 1 });
  const model = await predictLatency(
    compilePlanner(groups, scores),
    OPTIONS,
    meter,
    await LatencyCache.open(undefined, 'here'),
  );
  return { planner: compilePlanner(groups, scores, undefined, model.bound), model };
}

test('the largest plan that keeps the target is taken, by what it measured', async () => {
  const meter = new FormulaMeter(4);
  const { planner, model } = await measuredPlanner(meter);
  const asked = targetMilliseconds({ fraction: 0.6 }, model);
  const { chosen, candidates } = await planAtLatency(
    planner,
    model,
    (most) => planWithin(planner, OPTIONS, most),
    asked,
    meter,
  );
  assert.ok(chosen.measured <= asked);
  assert.ok(chosen.measured > 0.85 * asked, `${chosen.measured} of ${asked}`);
  for (const { measured, predicted } of candidates) assert.ok(predicted <= chosen.predicted || measured > asked);
  assert.equal(chosen.plan.targetMacs, undefined);
});

test('where all measure slower than was predicted, smaller plans are tried; where that does not help, it is refused', async () => {
  const { planner, model } = await measuredPlanner(new FormulaMeter());
  const asked = 0.6 * model.dense;
  const slower = new FormulaMeter(1, (sum) => 1.4 * (0.3 + 1.1 * sum));
  const notes: string[] = [];
  const plan = (most: number) => planWithin(planner, OPTIONS, most);
  const { chosen } = await planAtLatency(planner, model, plan, asked, slower, { note: (text) => notes.push(text) });
  assert.ok(chosen.measured <= asked);
  assert.match(notes[0], /none of \d plans took/);
  const never = new FormulaMeter(1, () => 2 * asked);
  await assert.rejects(planAtLatency(planner, model, plan, asked, never), /was not brought to .* ms: the fastest plan/);
  assert.throws(() => targetMilliseconds({ milliseconds: 2 * model.dense }, model), /nothing to prune/);
});

test('the multiple that pays is the smallest near the fastest', async () => {
  assert.equal(oddMultiple(38, 64, 8), 40);
  assert.equal(oddMultiple(38, 64, 1), 39);
  assert.equal(oddMultiple(10, 16, 16), 16);
  assert.equal(
    chooseMultiple([
      { multiple: 1, slowness: 1.3 },
      { multiple: 4, slowness: 1.02 },
      { multiple: 8, slowness: 1 },
    ]),
    4,
  );
  const groups = couple(buildModel('resnet18'));
  const rounding = async (lanes: number): Promise<number> => {
    const cache = await LatencyCache.open(undefined, 'here');
    return (await measureRounding(groups, new FormulaMeter(lanes), cache)).roundTo;
  };
  assert.equal(await rounding(1), 1);
  assert.equal(await rounding(16), 16);
});

test('options take the measured multiple, and a target its planner', async () => {
  const cache = await LatencyCache.open(undefined, 'here');
  const rounding = new LatencyPlanning({ roundTo: 'auto', batch: 1 }, new FormulaMeter(16), cache, 'here');
  const options = await rounding.options(couple(buildModel('resnet18')), { isomorphic: true, global: true });
  assert.equal(options.roundTo, 16);
  assert.equal(rounding.report.rounding?.roundTo, 16);
  assert.equal(rounding.hasTarget, false);

  const groups = couple(buildModel('resnet20'));
  const scores = await scoreGroups(groups, new Map(), { criterion: 'random', seed: 1 });
  const timed = new LatencyPlanning({ target: { fraction: 0.5 }, batch: 1 }, new FormulaMeter(4), cache, 'here');
  const wide = { ...OPTIONS, roundTo: 4 };
  assert.equal(await timed.options(groups, wide), wide);
  const { planner, milliseconds } = await timed.planner(groups, scores, wide);
  const { chosen } = await timed.choose(planner, (most) => planWithin(planner, wide, most));
  assert.ok(chosen.measured <= milliseconds);
  for (const { kept, width } of chosen.plan.groups) assert.ok(kept.length === width || kept.length % 4 === 0);
  assert.equal(timed.report.model?.milliseconds, milliseconds);
});

/** Runs take as long as they have kernels, by a clock that only they move. */
function kernelExecutor(real: Executor, clock: { now: number }): Executor {
  return {
    ...real,
    open: async (programs, context) => {
      const session = await real.open(programs, context);
      const run: Session['run'] = async (name, inputs) => {
        clock.now += 1 + programs[name as keyof typeof programs].nodes.filter(({ kind }) => kind === 'conv').length;
        return session.run(name as never, inputs);
      };
      return Object.assign(Object.create(session) as typeof session, {
        run,
        assign: session.assign.bind(session),
        dispose: session.dispose.bind(session),
      });
    },
  };
}

test('a segment takes what its copies add to a run; a network what a run takes', async () => {
  const clock = { now: 0 };
  const executor = kernelExecutor(await createExecutor({ backend: 'embedded', threads: 1 }), clock);
  const graph = buildModel('resnet20');
  const groups = couple(graph);
  const [first, second] = segmentNetwork(groups);
  const meter = new ExecutorMeter(executor, { batch: 2, clock: () => clock.now });
  const times = await meter.segments([
    { segment: first, graph },
    { segment: second, graph },
  ]);
  // A run's own millisecond is in neither; one convolution is one more.
  assert.deepEqual(times, [1, 1]);
  // Of many widths of a segment only two are run as one copy: the others' own millisecond is told from those.
  const { levels, points } = gridOf(
    groups,
    second,
    second.axes.map(() => [1 / 4, 1 / 2, 1]),
    setSteps(groups, 2),
  );
  assert.ok(levels.flat().length > 3);
  const widths = points.map(({ sizes }) => ({ segment: second, graph: graphAt(groups, sizes) }));
  assert.deepEqual(
    await meter.segments(widths),
    widths.map(() => 1),
  );
  const convolutions = graph.nodes.filter(({ kind }) => kind === 'conv').length;
  assert.deepEqual(await meter.networks([graph]), [1 + convolutions]);
});

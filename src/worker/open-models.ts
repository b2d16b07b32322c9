/** The models that the worker has read, with what was computed of them. Weights are read from the file when they are needed. */
import { stat } from 'node:fs/promises';
import type { PredictedLatency } from '../engine/jobs/latency/predicted-latency.ts';
import { type Model, openModel } from '../engine/jobs/opening/model.ts';
import type { ErrorCurve } from '../engine/pruning/allocation/allocate.ts';
import { couple } from '../engine/pruning/coupling/couple.ts';
import type { Groups } from '../engine/pruning/coupling/groups.ts';
import type { GradientSource, Scores } from '../engine/pruning/scoring/importance.ts';
import type { GraphView, GroupsView } from '../protocol/graph-view.ts';
import type { LatencyView } from '../protocol/latency-values.ts';
import { type ModelSource, sourceKey } from '../protocol/values.ts';
import { graphViewOf } from './graph-view.ts';
import { groupsViewOf } from './groups-view.ts';
import { pixelsOfHost } from './pixels.ts';

/** Times of a network on this machine, and what the editor is told of them. */
export interface HeldTimes {
  readonly view: LatencyView;
  readonly model: PredictedLatency;
}

/** Models kept at once; the one not used for longest goes first. */
const MOST_OPEN = 8;
/** Sets of scores, of error curves and of times, kept of a model. */
const MOST_SCORES = 8;

/** The ids of `ArchitectureChoice`: heads of each attention layer. */
export const headsId = (heads: readonly number[]): string => `heads:${heads.join(',')}`;

function headsOf(architecture: string | undefined): readonly number[] | undefined {
  return architecture?.startsWith('heads:') ? architecture.slice('heads:'.length).split(',').map(Number) : undefined;
}

function keepNewest<T>(kept: Map<string, T>, key: string, value: T): void {
  kept.delete(key);
  kept.set(key, value);
  for (const oldest of [...kept.keys()].slice(0, -MOST_SCORES)) kept.delete(oldest);
}

export class OpenModel {
  private readonly scores = new Map<string, Scores>();
  /** Of the newest scores that were made for blocks too. */
  private gradients: { readonly key: string; readonly source: GradientSource } | undefined;
  private readonly curves = new Map<string, readonly ErrorCurve[]>();
  private readonly times = new Map<string, HeldTimes>();
  private coupled: Groups | undefined;
  private drawn: GraphView | undefined;
  private drawnGroups: GroupsView | undefined;

  constructor(
    readonly source: ModelSource,
    readonly model: Model,
  ) {}

  get groups(): Groups {
    this.coupled ??= couple(this.model.graph);
    return this.coupled;
  }

  get view(): GraphView {
    this.drawn ??= graphViewOf(this.model.graph);
    return this.drawn;
  }

  get groupsView(): GroupsView {
    this.drawnGroups ??= groupsViewOf(this.groups);
    return this.drawnGroups;
  }

  scoresOf(key: string): Scores | undefined {
    return this.scores.get(key);
  }

  curvesOf(key: string): readonly ErrorCurve[] | undefined {
    return this.curves.get(key);
  }

  keepCurves(key: string, curves: readonly ErrorCurve[]): void {
    keepNewest(this.curves, key, curves);
  }

  timesOf(key: string): HeldTimes | undefined {
    return this.times.get(key);
  }

  get heldTimes(): readonly HeldTimes[] {
    return [...this.times.values()];
  }

  keepTimes(times: HeldTimes): void {
    keepNewest(this.times, times.view.key, times);
  }

  gradientsOf(key: string): GradientSource | undefined {
    return this.gradients?.key === key ? this.gradients.source : undefined;
  }

  keepGradients(key: string, source: GradientSource): void {
    this.gradients = { key, source };
  }

  keepScores(key: string, scores: Scores): void {
    keepNewest(this.scores, key, scores);
  }
}

interface Entry {
  readonly open: Promise<OpenModel>;
  /** Time and size of the file as it was read: another file at the same place is another model. */
  readonly stamp: string;
}

const entries = new Map<string, Entry>();

async function stampOf(source: ModelSource): Promise<string> {
  if (source.kind === 'zoo') return '';
  // A file that is gone is for the reader to complain about.
  const info = await stat(source.path).catch(() => undefined);
  return info ? `${info.mtimeMs} ${info.size} ${info.ino}` : 'missing';
}

async function read(source: ModelSource): Promise<OpenModel> {
  const request =
    source.kind === 'zoo'
      ? { model: source.name }
      : { model: source.path, useEma: source.useEma ?? false, heads: headsOf(source.architecture), ...pixelsOfHost() };
  return new OpenModel(source, await openModel(request));
}

/** The model of a source: as it was read before while its file has not changed. */
export async function findModel(source: ModelSource): Promise<OpenModel> {
  const key = sourceKey(source);
  const stamp = await stampOf(source);
  const known = entries.get(key);
  entries.delete(key);
  const entry = known?.stamp === stamp ? known : { open: read(source), stamp };
  entries.set(key, entry);
  for (const oldest of [...entries.keys()].slice(0, -MOST_OPEN)) entries.delete(oldest);
  return entry.open.catch((error: unknown) => {
    if (entries.get(key) === entry) entries.delete(key);
    throw error;
  });
}

export function forgetModel(source: ModelSource): void {
  entries.delete(sourceKey(source));
}

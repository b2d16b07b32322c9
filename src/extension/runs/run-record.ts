/** A run as it is kept on disk: `job.json` in the run's own folder, so that it outlives worker and window. */

import os from 'node:os';
import type { ExploreSettings } from '../../protocol/explore-values.ts';
import type { RunView } from '../../protocol/panels.ts';
import type { RepairSettings } from '../../protocol/prune-values.ts';
import { isElsewhere, type RunPlace } from '../../protocol/run-place.ts';
import type { SensitivitySettings } from '../../protocol/sensitivity-values.ts';
import type {
  EvaluateSettings,
  ExportFormat,
  FinetuneSettings,
  ModelSource,
  PlanSettings,
  RunKind,
  RunState,
  ScoreSettings,
} from '../../protocol/values.ts';

/** What a run was asked to do: enough to do it again. */
export type RunRequest =
  | { readonly kind: 'score'; readonly source: ModelSource; readonly settings: ScoreSettings }
  | {
      readonly kind: 'sensitivity';
      readonly source: ModelSource;
      /** The order in which a group's channels go. */
      readonly scores: ScoreSettings;
      readonly settings: SensitivitySettings;
      /** Whether the target is spread by it from then on. */
      readonly spread: boolean;
    }
  | {
      readonly kind: 'latency';
      readonly source: ModelSource;
      readonly scores: ScoreSettings | null;
      readonly plan: PlanSettings;
      /** Whether what was kept of earlier measurements is measured again. */
      readonly anew: boolean;
      /** The target from then on, as typed; without it, the present plan's time. */
      readonly target?: string;
    }
  | {
      readonly kind: 'prune';
      readonly source: ModelSource;
      readonly scores: ScoreSettings | null;
      readonly plan: PlanSettings;
      /** Key of the times that a target in milliseconds was chosen by. */
      readonly times?: string;
      readonly output: string;
      readonly overwrite: boolean;
      readonly repair?: RepairSettings;
    }
  | {
      readonly kind: 'explore';
      readonly source: ModelSource;
      readonly settings: ExploreSettings;
      readonly plan: PlanSettings;
    }
  | { readonly kind: 'finetune'; readonly source: ModelSource; readonly settings: FinetuneSettings }
  | { readonly kind: 'evaluate'; readonly sources: readonly ModelSource[]; readonly settings: EvaluateSettings }
  | {
      readonly kind: 'export';
      readonly source: ModelSource;
      readonly format: ExportFormat;
      readonly output: string;
      readonly overwrite: boolean;
    }
  | { readonly kind: 'install' };

/** A process. */
export interface RunOwner {
  readonly host: string;
  readonly pid: number;
}

export interface RunRecord {
  /** Name of its folder. */
  readonly id: string;
  /** Counts the workspace's runs from 1; absent in records of earlier versions. */
  readonly number?: number;
  /** What the person calls it. */
  readonly name?: string;
  /** What it does: `Finetuning`. */
  readonly title: string;
  /** What it works on, and on which images. */
  readonly subject: string;
  readonly state: RunState;
  readonly request: RunRequest;
  /** ISO 8601. */
  readonly created: string;
  readonly started?: string;
  readonly ended?: string;
  /** Who runs it: a record that says `running` whose owner is gone was interrupted. */
  readonly owner?: RunOwner;
  /** The window that follows it, where it has a process of its own. */
  readonly window?: RunOwner;
  /** One line for the side bar: `top-1 81.2 %`. */
  readonly summary?: string;
  /** Top-1 of its best epoch so far, 0 to 1. */
  readonly top1?: number;
  /** The file that it wrote. */
  readonly output?: string;
  readonly error?: string;
}

export const ENDED: ReadonlySet<RunState> = new Set(['interrupted', 'cancelled', 'failed', 'done']);

export const kindOf = (record: RunRecord): RunKind => record.request.kind;

/** Whether it can be taken up where it ended: finetuning keeps its state on disk, the rest is done again from its start. */
export const canResume = (record: RunRecord): boolean =>
  record.state === 'interrupted' || record.state === 'failed' || record.state === 'cancelled';

/** Where it computes, of a finetuning or scoring run that is a job. */
export const placeOf = ({ request }: RunRecord): RunPlace | undefined =>
  request.kind === 'finetune' || request.kind === 'score' ? request.settings.place : undefined;

/** Whether it goes in a process of its own, and can be taken up where it was broken off. */
export const goesOn = (record: RunRecord): boolean => kindOf(record) === 'finetune' || placeOf(record) !== undefined;

/** Whether it takes up no other run's time: another machine computes. */
export const isAside = (record: RunRecord): boolean => {
  const place = placeOf(record);
  return place !== undefined && isElsewhere(place);
};

/** A job cannot be held: it is stopped, and goes on from its last checkpoint. */
export const canPause = (record: RunRecord): boolean =>
  kindOf(record) === 'finetune' && record.state === 'running' && !placeOf(record);

/** A job on SkyPilot reads no order: its folder lies elsewhere. */
export const canStopAfterEpoch = (record: RunRecord): boolean =>
  kindOf(record) === 'finetune' &&
  (record.state === 'running' || record.state === 'paused') &&
  placeOf(record)?.engine !== 'skypilot';

export const thisOwner = (): RunOwner => ({ host: os.hostname(), pid: process.pid });

/** Whether a process is alive; of another machine one cannot know, so it is believed. */
export function isAlive(owner: RunOwner | undefined): boolean {
  if (!owner) return false;
  if (owner.host !== os.hostname()) return true;
  try {
    process.kill(owner.pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** The record as it is, given who lives: what its owner left unfinished was interrupted. */
export function asFound(record: RunRecord): RunRecord {
  if (ENDED.has(record.state) || isAlive(record.owner)) return record;
  return { ...record, state: 'interrupted', owner: undefined };
}

/** `2026-11-22T16-47-13-finetune-resnet20`: sorts by time and is a legal name everywhere. */
export function runId(kind: RunKind, model: string, time = new Date()): string {
  const stamp = time.toISOString().slice(0, 19).replaceAll(':', '-');
  // Without the suffix: a folder that is called like a checkpoint would be taken for one.
  const stem = model.replace(/\.[A-Za-z]+$/, '').replace(/[^\w-]+/g, '_');
  return `${stamp}-${kind}-${stem}`.slice(0, 120);
}

/** Whether a run goes on, or has ended by itself, without a window that follows it. */
export const isUnattended = (record: RunRecord): boolean =>
  record.owner !== undefined &&
  record.owner.pid !== process.pid &&
  record.window !== undefined &&
  !isAlive(record.window);

type Settings = RunView['settings'];

/** The settings of a run as a flat table. */
export function settingsOf({ request }: RunRecord): Settings {
  switch (request.kind) {
    case 'score':
    case 'sensitivity':
      return flat(request.settings);
    case 'latency':
      return { roundTo: request.plan.roundTo, anew: request.anew, ...(request.target && { target: request.target }) };
    case 'prune':
      return flat({ ...request.plan, ...request.repair, output: request.output });
    case 'finetune':
      return {
        recipe: request.settings.recipe,
        'data-path': request.settings.dataPath,
        ...(request.settings.place && flat({ place: request.settings.place })),
        ...request.settings.flags,
      };
    case 'explore':
    case 'evaluate':
      return flat(request.settings);
    case 'export':
      return { format: request.format, output: request.output };
    case 'install':
      return {};
  }
}

function flat(value: object): Settings {
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, part]) => part !== undefined)
      .map(([name, part]) => [name, typeof part === 'object' ? JSON.stringify(part) : part]),
  );
}

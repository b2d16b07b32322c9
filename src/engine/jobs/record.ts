/** What a model's file says of its own history. Kept beside the Graph in the metadata of every file that Espalier writes. */
import type { Cost } from '../graph/macs.ts';

/** One thing that was done to a model, oldest first. */
export interface HistoryStep {
  readonly step: 'pruned' | 'finetuned' | 'exported';
  /** The file it was made from. */
  readonly parent?: string;
  /** One line for the person: `taylor, isomorphic, 2.05 G of 4.12 G`. */
  readonly summary: string;
  /** ISO 8601. */
  readonly time: string;
}

export interface ModelRecord {
  /** MACs and parameters of the network that the first step began from. */
  readonly base?: Cost;
  readonly history: readonly HistoryStep[];
}

export const EMPTY_RECORD: ModelRecord = { history: [] };

export const GRAPH_KEY = 'espalier.graph';
export const RECORD_KEY = 'espalier.record';

export function recordFromJson(text: string | undefined): ModelRecord {
  if (!text) return EMPTY_RECORD;
  const record = JSON.parse(text) as ModelRecord;
  return { ...record, history: Array.isArray(record.history) ? record.history : [] };
}

/** The record with one more step. */
export function withStep(record: ModelRecord, base: Cost, step: Omit<HistoryStep, 'time'>): ModelRecord {
  return {
    base: record.base ?? base,
    history: [...record.history, { ...step, time: new Date().toISOString() }],
  };
}

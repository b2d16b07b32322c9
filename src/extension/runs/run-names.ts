/** What runs are called: `#3 · resnet20 50 % · 12 epochs · 76.4 %`, or as the person has named them; and in what they differ. */
import path from 'node:path';
import { formatPercent } from '../../common/format.ts';
import type { RunRecord } from './run-record.ts';

/** Suffixes of checkpoints, which say nothing of the model. */
const SUFFIX = /\.(safetensors|pth\.tar|pth|pt2?|th|bin|ckpt|onnx)$/i;
/** Shown of what differs; the settings have the rest. */
const SHOWN_DIFFERENCES = 3;

/** `models/resnet20-50pct.safetensors` → `resnet20 50 %`. */
export const modelWords = (file: string): string =>
  path
    .basename(file)
    .replace(SUFFIX, '')
    .replace(/-(\d+)pct\b/g, ' $1 %');

/** Words of a name in the person's language. */
export interface RunWords {
  readonly epochs: (count: number) => string;
}

/**
 * The name of a run. Its model is in its subject: the part before the data set.
 * @param top1 of its best epoch, where one has ended
 */
export function runName(record: RunRecord, words: RunWords, top1 = record.top1): string {
  if (record.name !== undefined) return record.name;
  const { request, subject, title, number } = record;
  const model = modelWords(subject.split(' · ')[0]);
  const epochs = request.kind === 'finetune' ? Number(request.settings.flags['epochs']) : 0;
  const parts = [
    number === undefined ? undefined : `#${number}`,
    request.kind === 'finetune' && number !== undefined ? undefined : title,
    request.kind === 'install' ? undefined : model,
    epochs > 0 ? words.epochs(epochs) : undefined,
    request.kind === 'finetune' && top1 !== undefined ? formatPercent(top1, 1) : undefined,
  ];
  return parts.filter((part) => part !== undefined).join(' · ');
}

const flagsOf = ({ request }: RunRecord): Readonly<Record<string, unknown>> =>
  request.kind === 'finetune'
    ? { recipe: request.settings.recipe, 'data-path': request.settings.dataPath, ...request.settings.flags }
    : {};

/** Flags of a finetuning run that are not as in another one: `lr 0.01 (not 0.05)`, by name; at most three, and how many more. */
export function differences(of: RunRecord, from: RunRecord): string {
  const [own, other] = [flagsOf(of), flagsOf(from)];
  const differing = [...new Set([...Object.keys(own), ...Object.keys(other)])]
    .sort()
    .filter((flag) => String(own[flag] ?? '') !== String(other[flag] ?? ''));
  const text = (value: unknown): string => (value === undefined ? '–' : String(value));
  const shown = differing.slice(0, SHOWN_DIFFERENCES).map((flag) => `${flag} ${text(own[flag])}`);
  const more = differing.length - shown.length;
  return [...shown, ...(more > 0 ? [`+${more}`] : [])].join(', ');
}

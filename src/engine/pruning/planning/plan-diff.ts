/** What two plans of one network do differently: widths, MACs, kept channels, heads and blocks. */
import { formatCount, formatInteger } from '../../../common/format.ts';
import { headsName, rootName } from '../coupling/groups.ts';
import { byName, type SavedPlan } from './plan-file.ts';
import type { Plan } from './plan-types.ts';

/** A group, or a layer's heads, that two plans treat differently. */
interface PlanDifference {
  readonly name: string;
  readonly what: 'channels' | 'heads';
  /** Entries before pruning. */
  readonly width: number;
  /** How many each plan keeps. */
  readonly kept: readonly [a: number, b: number];
  /** Entries that only one of them keeps. */
  readonly onlyA: readonly number[];
  readonly onlyB: readonly number[];
}

export interface PlanDiff {
  readonly models: readonly [a: string, b: string];
  readonly before: readonly [a: SavedPlan['before'], b: SavedPlan['before']];
  readonly after: readonly [a: SavedPlan['after'], b: SavedPlan['after']];
  readonly differences: readonly PlanDifference[];
  /** Groups and heads that both keep alike. */
  readonly alike: number;
  /** Modules that only one of them removes whole. */
  readonly blocks: readonly [onlyA: readonly string[], onlyB: readonly string[]];
}

interface Entry {
  readonly name: string;
  readonly what: 'channels' | 'heads';
  readonly width: number;
  readonly kept: readonly number[];
}

const entriesOf = ({ groups, heads }: SavedPlan): ReadonlyMap<string, Entry> =>
  new Map([
    ...groups.map((group): [string, Entry] => {
      const name = rootName(group);
      return [name, { name, what: 'channels', width: group.width, kept: group.kept }];
    }),
    ...heads.map((each): [string, Entry] => {
      const name = `${headsName(each)} heads`;
      return [name, { name, what: 'heads', width: each.count, kept: each.kept }];
    }),
  ]);

const without = <T>(all: readonly T[], others: readonly T[]): readonly T[] => {
  const known = new Set(others);
  return all.filter((one) => !known.has(one));
};

const all = (width: number): readonly number[] => Array.from({ length: width }, (_, i) => i);

/** A group that one of the plans does not name loses nothing in it. */
export function diffPlans(a: SavedPlan, b: SavedPlan): PlanDiff {
  const [first, second] = [entriesOf(a), entriesOf(b)];
  const names = [...new Set([...first.keys(), ...second.keys()])].sort(byName);
  const differences = names.flatMap((name): PlanDifference[] => {
    const [left, right] = [first.get(name), second.get(name)];
    const { what, width } = (left ?? right) as Entry;
    const [inA, inB] = [left?.kept ?? all(width), right?.kept ?? all(width)];
    const [onlyA, onlyB] = [without(inA, inB), without(inB, inA)];
    if (onlyA.length === 0 && onlyB.length === 0) return [];
    return [{ name, what, width, kept: [inA.length, inB.length], onlyA, onlyB }];
  });
  const [removedA, removedB] = [a.blocks?.removed ?? [], b.blocks?.removed ?? []];
  return {
    models: [a.model, b.model],
    before: [a.before, b.before],
    after: [a.after, b.after],
    differences,
    alike: names.length - differences.length,
    blocks: [without(removedA, removedB), without(removedB, removedA)],
  };
}

/** Channels and heads that `b` keeps, and how many of them `a` does not, over plans of one network. */
export function keptChange(
  a: Pick<Plan, 'groups' | 'heads'>,
  b: Pick<Plan, 'groups' | 'heads'>,
): { readonly kept: number; readonly others: number } {
  const entries = ({ groups, heads }: Pick<Plan, 'groups' | 'heads'>) => [...groups, ...heads].map(({ kept }) => kept);
  const [first, second] = [entries(a), entries(b)];
  return {
    kept: second.reduce((sum, kept) => sum + kept.length, 0),
    others: second.reduce((sum, kept, i) => sum + without(kept, first[i]).length, 0),
  };
}

/** Channels that a cell lists before it only counts. */
const LISTED = 8;

function listed(entries: readonly number[]): string {
  if (entries.length === 0) return '–';
  const shown = entries.slice(0, LISTED).join(' ');
  return entries.length > LISTED ? `${shown} … (${formatInteger(entries.length)})` : shown;
}

const share = ({ macs }: { readonly macs: number }, before: { readonly macs: number }): string =>
  `${formatCount(macs)} (${((100 * macs) / before.macs).toFixed(1)} %)`;

/** Rows of the table: heading, figures of the whole, then a row for each difference. */
function rowsOf(diff: PlanDiff, names: readonly [string, string]): readonly (readonly string[])[] {
  const { before, after, differences, blocks } = diff;
  const whole = [
    ['MACs', formatCount(before[0].macs), share(after[0], before[0]), share(after[1], before[1]), '', ''],
    ['parameters', formatCount(before[0].params), formatCount(after[0].params), formatCount(after[1].params), '', ''],
  ];
  const groups = differences.map(({ name, width, kept, onlyA, onlyB }) => [
    name,
    formatInteger(width),
    formatInteger(kept[0]),
    formatInteger(kept[1]),
    listed(onlyA),
    listed(onlyB),
  ]);
  const removed = [
    ...blocks[0].map((path) => [path, 'block', 'removed', 'kept', '', '']),
    ...blocks[1].map((path) => [path, 'block', 'kept', 'removed', '', '']),
  ];
  const heading = ['', 'dense', names[0], names[1], `only in ${names[0]}`, `only in ${names[1]}`];
  return [heading, ...whole, ...removed, ...groups];
}

function remark({ models, differences, alike }: PlanDiff): string {
  const other = models[0] === models[1] ? '' : ` The plans are of ${models[0]} and of ${models[1]}.`;
  const same = alike === 1 ? '1 other keeps' : `${formatInteger(alike)} others keep`;
  if (differences.length === 0) return `Both plans keep the same channels.${other}`;
  const differ = differences.length === 1 ? '1 group differs' : `${formatInteger(differences.length)} groups differ`;
  return `${differ}, ${same} the same channels.${other}`;
}

const escaped = (text: string): string => text.replace(/[|\\`*_<>[\]]/g, '\\$&');

/** As a table for a pull request. */
export function markdownPlanDiff(diff: PlanDiff, names: readonly [string, string]): string {
  const [heading, ...rows] = rowsOf(diff, names).map((row) => row.map(escaped));
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const rule = line(heading.map((_, i) => (i === 0 || i > 3 ? '---' : '---:')));
  return [line(heading), rule, ...rows.map(line), '', remark(diff)].join('\n');
}

/** As aligned columns. */
export function formatPlanDiff(diff: PlanDiff, names: readonly [string, string]): string {
  const rows = rowsOf(diff, names);
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const text = rows.map((row) =>
    row
      .map((cell, i) => (i === 0 || i > 3 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])))
      .join('  ')
      .trimEnd(),
  );
  return [...text, '', remark(diff)].join('\n');
}

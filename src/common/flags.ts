/**
 * Options as tables: one entry gives a flag's name, type, default and help, and the type of the parsed values.
 * Names follow argparse: `--pruning-ratio`, `--pruning_ratio` and any prefix that no other flag shares are the same.
 */
import { UsageError } from './errors.ts';

interface FlagOf<T> {
  readonly kind: 'string' | 'number' | 'integer' | 'boolean' | 'list';
  readonly help: string;
  readonly initial: T;
  readonly choices?: readonly string[];
  /** Other names, without dashes. */
  readonly aliases?: readonly string[];
  /** Value of the flag alone, with no number after it. */
  readonly bare?: number;
}

type Extra = Pick<FlagOf<never>, 'aliases'>;

export type FlagTable = Readonly<Record<string, FlagOf<unknown>>>;
/** What parsing a table gives: values by the table's keys. */
export type FlagValues<T extends FlagTable> = { -readonly [K in keyof T]: T[K] extends FlagOf<infer V> ? V : never };

export const flag = {
  string: <T extends string | undefined>(initial: T, help: string, extra: Extra = {}): FlagOf<string | T> => ({
    kind: 'string',
    help,
    initial,
    ...extra,
  }),
  choice: <const C extends string, const T extends C | undefined>(
    choices: readonly C[],
    initial: T,
    help: string,
    extra: Extra = {},
  ): FlagOf<C | T> => ({ kind: 'string', help, initial, choices, ...extra }),
  number: <T extends number | undefined>(initial: T, help: string, extra: Extra = {}): FlagOf<number | T> => ({
    kind: 'number',
    help,
    initial,
    ...extra,
  }),
  integer: <T extends number | undefined>(initial: T, help: string, extra: Extra = {}): FlagOf<number | T> => ({
    kind: 'integer',
    help,
    initial,
    ...extra,
  }),
  /** An integer that may be left out: `--repair` and `--repair 500`. */
  optionalInteger: (initial: number, bare: number, help: string): FlagOf<number> => ({
    kind: 'integer',
    help,
    initial,
    bare,
  }),
  boolean: (help: string, extra: Extra = {}): FlagOf<boolean> => ({ kind: 'boolean', help, initial: false, ...extra }),
  list: (help: string, extra: Extra = {}): FlagOf<readonly string[]> => ({ kind: 'list', help, initial: [], ...extra }),
};

export const flagName = (key: string): string => key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** The table's initial values. */
export function flagDefaults<T extends FlagTable>(table: T): FlagValues<T> {
  return Object.fromEntries(Object.entries(table).map(([key, spec]) => [key, spec.initial])) as FlagValues<T>;
}

function findFlag(table: FlagTable, name: string): string {
  const wanted = name.replaceAll('_', '-');
  const names = Object.entries(table).flatMap(([key, spec]) =>
    [flagName(key), ...(spec.aliases ?? [])].map((n) => [n.replaceAll('_', '-'), key] as const),
  );
  const exact = names.find(([n]) => n === wanted);
  if (exact) return exact[1];
  const keys = new Set(names.filter(([n]) => n.startsWith(wanted)).map(([, key]) => key));
  if (keys.size === 1) return [...keys][0];
  const dashed = wanted.length === 1 ? `-${wanted}` : `--${wanted}`;
  if (keys.size > 1)
    throw new UsageError(`${dashed} could be ${[...keys].map((k) => `--${flagName(k)}`).join(' or ')}`);
  throw new UsageError(`unknown option ${dashed}`);
}

const YES: ReadonlySet<string> = new Set(['true', 'yes', '1']);
const NO: ReadonlySet<string> = new Set(['false', 'no', '0']);

function toBoolean(key: string, text: string): boolean {
  const word = text.toLowerCase();
  if (!YES.has(word) && !NO.has(word))
    throw new UsageError(`--${flagName(key)} takes true, false, yes, no, 1 or 0, got "${text}"`);
  return YES.has(word);
}

function convert(key: string, spec: FlagOf<unknown>, text: string): unknown {
  const name = `--${flagName(key)}`;
  if (spec.kind === 'number' || spec.kind === 'integer') {
    const value = Number(text);
    if (text.trim() === '' || !Number.isFinite(value)) throw new UsageError(`${name} needs a number, got "${text}"`);
    if (spec.kind === 'integer' && !Number.isInteger(value))
      throw new UsageError(`${name} needs an integer, got ${text}`);
    if (spec.kind === 'integer' && !Number.isSafeInteger(value))
      throw new UsageError(`${name} needs an integer up to 2^53 − 1, got ${text}`);
    return value;
  }
  if (spec.choices && !spec.choices.includes(text))
    throw new UsageError(`${name} must be one of ${spec.choices.join(', ')}, got "${text}"`);
  return text;
}

export interface ParsedFlags<T extends FlagTable> {
  readonly values: FlagValues<T>;
  /** Keys that the command line set, as against initial values. */
  readonly given: ReadonlySet<keyof T>;
  readonly positionals: readonly string[];
}

const isOption = (text: string): boolean => /^--?[A-Za-z]/.test(text);

/** Parses a command line by a table. Throws UsageError naming the option that is wrong. */
export function parseFlags<T extends FlagTable>(table: T, args: readonly string[]): ParsedFlags<T> {
  const values: Record<string, unknown> = flagDefaults(table);
  const given = new Set<keyof T>();
  const positionals: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const arg = args[i];
    if (!isOption(arg)) {
      if (arg !== '--') positionals.push(arg);
      continue;
    }
    const [name, ...rest] = arg.replace(/^--?/, '').split('=');
    const key = findFlag(table, name);
    const spec = table[key];
    given.add(key);
    if (spec.kind === 'boolean') {
      values[key] = rest.length ? toBoolean(key, rest.join('=')) : true;
      continue;
    }
    const taken: string[] = rest.length ? [rest.join('=')] : [];
    const isValue = i + 1 < args.length && !isOption(args[i + 1]);
    if (!taken.length && isValue && (spec.bare === undefined || /^\d+$/.test(args[i + 1]))) taken.push(args[++i]);
    if (!taken.length && spec.bare !== undefined) taken.push(String(spec.bare));
    if (!taken.length) throw new UsageError(`--${flagName(key)} needs a value`);
    if (spec.kind === 'list') {
      while (!rest.length && i + 1 < args.length && !isOption(args[i + 1])) taken.push(args[++i]);
      values[key] = [...(values[key] as readonly string[]), ...taken];
    } else values[key] = convert(key, spec, taken[0]);
  }
  return { values: values as FlagValues<T>, given, positionals };
}

const TYPE_OF = { string: 'string', number: 'number', integer: 'number', boolean: 'boolean', list: 'object' } as const;

/** The key of a value that a table's flag cannot have, among values that a file gave; undefined where all can be. */
export function wrongValue(table: FlagTable, values: Readonly<Record<string, unknown>>): string | undefined {
  return Object.keys(table).find((key) => {
    const [{ kind, choices }, value] = [table[key], values[key]];
    if (value === undefined) return false;
    if (typeof value !== TYPE_OF[kind]) return true;
    if (kind === 'list') return !(Array.isArray(value) && value.every((one) => typeof one === 'string'));
    if (kind === 'integer' && !Number.isSafeInteger(value)) return true;
    return choices !== undefined && !choices.includes(value as string);
  });
}

/** The table as help text, one flag a line. */
export function formatFlags(table: FlagTable): string {
  const rows = Object.entries(table).map(([key, spec]) => {
    const name = spec.choices?.join('|') ?? spec.kind.toUpperCase();
    const value = spec.kind === 'boolean' ? '' : spec.bare === undefined ? ` ${name}` : ` [${name}]`;
    const isSaid = spec.initial !== undefined && spec.initial !== false && spec.kind !== 'list';
    const initial = spec.bare !== undefined ? ` (alone: ${spec.bare})` : isSaid ? ` (default ${spec.initial})` : '';
    return [`  --${flagName(key)}${value}`, `${spec.help}${initial}`] as const;
  });
  return rows.map(([left, right]) => `${left.padEnd(34)} ${right}`).join('\n');
}

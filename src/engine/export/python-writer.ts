/**
 * Python program text into which values are put by their type, so that text from a file is never a part of the program.
 *
 * The tag `py` makes code of a template: what stands in the template is program text and is ours; what is put into it is
 * quoted as what it is (a string as a string literal, a number as a number) unless it is code itself. There is no other
 * way to code, so a value of an unexpected type can make a program that fails, and never one that does something else.
 */
import { UserError } from '../../common/errors.ts';
import { FreeNames } from '../../common/free-names.ts';

/** What can be put into code: arrays become tuples. */
export type PythonValue = PythonCode | string | number | boolean | null | readonly PythonValue[];

/** A piece of program text. Only this file makes one. */
export class PythonCode {
  readonly #text: string;

  private constructor(text: string) {
    this.#text = text;
  }

  /** Program text from a template whose values are quoted by their type. */
  static template(strings: TemplateStringsArray, ...values: readonly PythonValue[]): PythonCode {
    return new PythonCode(strings.reduce((text, part, i) => text + literal(values[i - 1] as PythonValue) + part));
  }

  /** Pieces one after another; the separator is punctuation, never text from elsewhere. */
  static join(parts: readonly PythonValue[], separator: Separator): PythonCode {
    return new PythonCode(parts.map(literal).join(separator));
  }

  /** The same, every line further to the right. No string literal holds a line break, so none is changed. */
  indented(spaces: number): PythonCode {
    return new PythonCode(this.#text.replace(/^(?=.)/gm, ' '.repeat(spaces)));
  }

  /** A name as it stands in a program. Throws UserError where it cannot be one. */
  static identifier(name: string): PythonCode {
    if (!isIdentifier(name))
      throw new UserError(
        `Cannot write this network as Python: ${quoted(name.slice(0, 80))} is no name that Python takes for a variable or module.`,
      );
    return new PythonCode(name);
  }

  /** A triple-quoted string of several lines: the text of a docstring. */
  static docstring(text: string): PythonCode {
    return new PythonCode(`"""${text.split('\n').map(escaped).join('\n')}"""`);
  }

  toString(): string {
    return this.#text;
  }
}

type Separator = '' | ' ' | ', ' | '.' | '\n' | '\n\n' | '\n\n\n';

export const py = PythonCode.template;

/** Reserved words of Python 3.14, the soft ones that only matter in patterns left out. */
const KEYWORDS: ReadonlySet<string> = new Set(
  (
    'False None True and as assert async await break class continue def del elif else except finally for from global if ' +
    'import in is lambda nonlocal not or pass raise return try while with yield'
  ).split(' '),
);

/** Whether Python takes it for a name. One that begins with two underscores is Python's own, or mangled in a class. */
export const isIdentifier = (name: string): boolean =>
  /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) && !name.startsWith('__') && !KEYWORDS.has(name);

/** Printable ASCII as it is, but for quotes and backslashes; all else as escapes, so that nothing hides in the program. */
const escaped = (text: string): string =>
  text.replace(/["\\]|[^ -~]/gu, (character) => {
    const code = character.codePointAt(0) as number;
    if (character === '"' || character === '\\') return `\\${character}`;
    if (character === '\n') return '\\n';
    if (code <= 0xff) return `\\x${code.toString(16).padStart(2, '0')}`;
    return code <= 0xffff ? `\\u${code.toString(16).padStart(4, '0')}` : `\\U${code.toString(16).padStart(8, '0')}`;
  });

const quoted = (text: string): string => `"${escaped(text)}"`;

function number(value: number): string {
  if (Number.isNaN(value)) return 'float("nan")';
  if (!Number.isFinite(value)) return value > 0 ? 'float("inf")' : '-float("inf")';
  return Object.is(value, -0) ? '-0.0' : String(value);
}

function literal(value: PythonValue): string {
  if (value instanceof PythonCode) return value.toString();
  if (typeof value === 'string') return quoted(value);
  if (typeof value === 'number') return number(value);
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (value === null) return 'None';
  if (Array.isArray(value)) return `(${value.map(literal).join(', ')}${value.length === 1 ? ',' : ''})`;
  throw new TypeError(`a ${typeof value} cannot be written as Python`);
}

/** `a, b, c`: arguments of a call, or indices. */
export const listed = (values: readonly PythonValue[]): PythonCode => PythonCode.join(values, ', ');

/** `{"key": value, …}` on one line. */
export const dictionary = (entries: Readonly<Record<string, PythonValue>>): PythonCode =>
  py`{${listed(Object.entries(entries).map(([key, value]) => py`${key}: ${value}`))}}`;

/** `root.layer1[0].conv1` for the path `layer1.0.conv1`: numbered modules are reached by index. Throws UserError for what is no path. */
export function attributePath(root: PythonCode, path: string): PythonCode {
  const parts = path
    .split('.')
    .map((part) => (/^(0|[1-9]\d{0,8})$/.test(part) ? py`[${Number(part)}]` : py`.${PythonCode.identifier(part)}`));
  return PythonCode.join([root, ...parts], '');
}

/** Variables of one scope: every value of the network has one of its own, whatever its name. */
export class PythonVariables {
  readonly #byName = new Map<string, PythonCode>();
  readonly #taken: Set<string>;
  readonly #free = new FreeNames();

  /** `taken`: names that mean something already. */
  constructor(taken: readonly string[]) {
    this.#taken = new Set(taken);
  }

  /** `layer1_0_conv1` for `layer1.0.conv1`, with a number behind where two would be the same. */
  of(name: string): PythonCode {
    const known = this.#byName.get(name);
    if (known) return known;
    const plain = name.replace(/[^A-Za-z0-9_]/g, '_').slice(0, 200);
    const base = /^[A-Za-z]/.test(plain) && isIdentifier(plain) && !this.#taken.has(plain) ? plain : `x_${plain}`;
    const free = this.#free.find(base, (taken) => this.#taken.has(taken));
    this.#taken.add(free);
    const variable = PythonCode.identifier(free);
    this.#byName.set(name, variable);
    return variable;
  }
}

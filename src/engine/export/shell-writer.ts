/**
 * Text of POSIX shell programs into which values are put quoted, so that text from a file or a person is never a part of the program.
 * The tag `sh` works as `py` of python-writer.ts: what stands in the template is program text and is ours.
 */
import { UserError } from '../../common/errors.ts';

export type ShellValue = ShellCode | string | number;

/** A piece of program text. Only this file makes one. */
export class ShellCode {
  readonly #text: string;

  private constructor(text: string) {
    this.#text = text;
  }

  static template(strings: TemplateStringsArray, ...values: readonly ShellValue[]): ShellCode {
    return new ShellCode(strings.reduce((text, part, i) => text + shellWord(values[i - 1] as ShellValue) + part));
  }

  /** Pieces one after another, each with the separator before it but the first. */
  static join(parts: readonly ShellValue[], separator: ' ' | '\n'): ShellCode {
    return new ShellCode(parts.map(shellWord).join(separator));
  }

  toString(): string {
    return this.#text;
  }
}

export const sh = ShellCode.template;

/**
 * A value as one word: between single quotes nothing has a meaning but the single quote itself.
 * @throws UserError for a NUL, which no argument of a program can hold
 */
function shellWord(value: ShellValue): string {
  if (value instanceof ShellCode) return value.toString();
  if (typeof value === 'number') return String(value);
  if (value.includes('\0')) throw new UserError(`${JSON.stringify(value)} cannot be an argument: it holds a NUL.`);
  return `'${value.replaceAll("'", "'\\''")}'`;
}

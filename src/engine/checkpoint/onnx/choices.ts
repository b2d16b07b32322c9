/** Readings of a file that more than one is possible of: each is tried until the whole network fits. */
import { BudgetError } from '../../../common/budget.ts';
import { UserError } from '../../../common/errors.ts';

/** Places of the batch differ by layer, not by block: few choices stand for all. */
const MAX_ATTEMPTS = 24;

/** What was chosen of what was open, in the order in which it was met. */
export class Choices {
  readonly #made = new Map<string, { at: number; readonly count: number }>();

  /** Which of `count` readings is tried; the same for the same key. */
  choose(key: string, count: number): number {
    const made = this.#made.get(key) ?? { at: 0, count };
    this.#made.set(key, made);
    return Math.min(made.at, count - 1);
  }

  /** Goes on to the next combination, the choice met last changing first; false where all were tried. */
  next(): boolean {
    for (const [key, made] of [...this.#made].reverse()) {
      made.at += 1;
      if (made.at < made.count) return true;
      this.#made.delete(key);
    }
    return false;
  }
}

/**
 * The first attempt that succeeds and is `right`; the first that succeeds where none is.
 * @throws UserError of the first attempt where all fail
 */
export function firstThatFits<T>(attempt: (choices: Choices) => T, isRight: (result: T) => boolean): T {
  const choices = new Choices();
  let failure: unknown;
  let usable: { readonly result: T } | undefined;
  for (let i = 0; i < MAX_ATTEMPTS; i++) {
    try {
      const result = attempt(choices);
      if (isRight(result)) return result;
      usable ??= { result };
    } catch (error) {
      if (!(error instanceof UserError) || error instanceof BudgetError) throw error;
      failure ??= error;
    }
    if (!choices.next()) break;
  }
  if (usable) return usable.result;
  throw failure;
}

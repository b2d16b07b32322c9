/**
 * Something large that is given away once. Whoever holds the handover, such as the frames of a run that lasts for days, does not
 * keep the thing itself in memory after it was taken.
 */
export class Handover<T> {
  #value: T | undefined;

  constructor(value: T) {
    this.#value = value;
  }

  /** Throws an Error the second time. */
  take(): T {
    const value = this.#value;
    if (value === undefined) throw new Error('what is handed over once was asked for twice');
    this.#value = undefined;
    return value;
  }
}

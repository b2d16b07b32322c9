/** Numbers behind names that would be the same: `add`, `add_2`, `add_3`. Where the count has got to is kept, so that thousands of one name take no longer each. */
export class FreeNames {
  readonly #next = new Map<string, number>();

  /** `base` itself where it is free, else with the lowest free number from 2 on. */
  find(base: string, isTaken: (name: string) => boolean): string {
    if (!isTaken(base)) return base;
    let n = this.#next.get(base) ?? 2;
    while (isTaken(`${base}_${n}`)) n++;
    this.#next.set(base, n);
    return `${base}_${n}`;
  }
}

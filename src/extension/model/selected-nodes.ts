/** What is selected of an opened model. */

export interface Selection {
  readonly nodes: readonly string[];
  readonly scope: number | null;
}

export interface SelectionChange extends Selection {
  /** Who selected; they need not be told. */
  readonly origin: unknown;
  readonly reveal: boolean;
}

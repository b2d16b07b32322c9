/** Asks the person which architecture it is; undefined: they would rather not say. */
export type AskArchitecture = (
  question: string,
  choices: readonly { readonly id: string; readonly label: string; readonly detail: string }[],
) => Promise<string | undefined>;

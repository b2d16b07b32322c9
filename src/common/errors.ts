/** Errors meant for the person: what happened, to which file or layer, and what to do. Anything else is a defect. */

export class UserError extends Error {
  override readonly name = 'UserError';
}

/** Bad usage of the command line: exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

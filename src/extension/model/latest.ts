/** Runs one piece of work at a time; of those that arrive meanwhile only the newest is run afterwards. */
export class Latest<R> {
  private busy = false;
  private waiting:
    | { readonly work: () => Promise<R>; readonly skip: () => void; readonly start: () => void }
    | undefined;

  /** Resolves with the work's result, or with undefined when newer work took its place. */
  run(work: () => Promise<R>): Promise<R | undefined> {
    if (!this.busy) return this.start(work);
    this.waiting?.skip();
    return new Promise((resolve, reject) => {
      this.waiting = {
        work,
        skip: () => resolve(undefined),
        start: () => this.start(work).then(resolve, reject),
      };
    });
  }

  private async start(work: () => Promise<R>): Promise<R> {
    this.busy = true;
    try {
      return await work();
    } finally {
      this.busy = false;
      const next = this.waiting;
      this.waiting = undefined;
      next?.start();
    }
  }
}

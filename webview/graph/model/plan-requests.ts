/** Plan requests while a slider moves: one under way, and the newest wish waits for its answer. */

/** An answer that does not come must not stop the slider for ever. */
const GIVE_UP_MS = 1500;

export class PlanRequests<Wish> {
  readonly #send: (seq: number, wish: Wish) => void;
  readonly #now: () => number;
  #seq = 0;
  #sentAt = Number.NEGATIVE_INFINITY;
  #answered = 0;
  #wanted: Wish | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(send: (seq: number, wish: Wish) => void, now: () => number = () => performance.now()) {
    this.#send = send;
    this.#now = now;
  }

  /** Whether an answer is awaited or a wish waits: what is shown is not what was asked. */
  get pending(): boolean {
    return this.#wanted !== null || this.#answered < this.#seq;
  }

  want(wish: Wish): void {
    this.#wanted = wish;
    this.#next();
  }

  /** Takes an answer; returns whether it is news: older ones than the newest seen are not. */
  answered(seq: number): boolean {
    if (seq <= this.#answered || seq > this.#seq) return false;
    this.#answered = seq;
    this.#next();
    return true;
  }

  #next(): void {
    if (this.#wanted === null) return;
    const waiting = this.#answered < this.#seq;
    const left = this.#sentAt + GIVE_UP_MS - this.#now();
    clearTimeout(this.#timer);
    if (waiting && left > 0) {
      this.#timer = setTimeout(() => this.#next(), left);
      return;
    }
    const wish = this.#wanted;
    this.#wanted = null;
    this.#sentAt = this.#now();
    this.#send(++this.#seq, wish);
  }
}

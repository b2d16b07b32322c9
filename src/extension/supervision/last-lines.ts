/** The last lines of a stream, for the message of a process that died. */

export class LastLines {
  private readonly lines: string[] = [];
  private rest = '';

  constructor(private readonly limit: number) {}

  /** Takes a piece of text; returns the lines that it completed. */
  push(text: string): readonly string[] {
    const parts = (this.rest + text).split(/\r?\n/);
    this.rest = parts.pop() ?? '';
    const complete = parts.filter((line) => line.trim() !== '');
    this.lines.push(...complete);
    this.lines.splice(0, this.lines.length - this.limit);
    return complete;
  }

  get text(): string {
    return [...this.lines, ...(this.rest.trim() ? [this.rest] : [])].slice(-this.limit).join('\n');
  }
}

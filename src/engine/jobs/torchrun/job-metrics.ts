/** A job's metrics.jsonl as it grows: over a long run it comes to hundreds of megabytes, so that it is read on from where it was read to. */
import { open } from 'node:fs/promises';
import { fileError } from '../../files/file-errors.ts';
import { type MetricsLine, parseMetricsLine } from '../../training/run-directory.ts';

export interface MetricsSoFar {
  readonly lastStep?: MetricsLine;
  readonly lastEpoch?: MetricsLine;
  /** Best top-1 of all epochs, of the weights or their average. */
  readonly bestTop1?: number;
}

const CHUNK = 1 << 22;
/** Bytes before the place where reading goes on that must still be there: a restarted run drops lines and writes others. */
const OVERLAP = 256;

export class JobMetrics {
  private offset = 0;
  /** The last bytes that were read. */
  private end: Buffer = Buffer.alloc(0);
  /** Half a line at the end. */
  private rest: Buffer = Buffer.alloc(0);
  private found: MetricsSoFar = {};

  constructor(private readonly file: string) {}

  /** What the file says now; nothing where there is none. @throws UserError for what the system reports */
  async read(): Promise<MetricsSoFar> {
    try {
      const handle = await open(this.file);
      try {
        const bytes = Buffer.alloc(this.end.length);
        await handle.read(bytes, 0, bytes.length, this.offset - bytes.length);
        if (!bytes.equals(this.end)) this.forget();
        const chunk = Buffer.alloc(CHUNK);
        for (;;) {
          const { bytesRead } = await handle.read(chunk, 0, CHUNK, this.offset);
          if (bytesRead === 0) return this.found;
          this.take(chunk.subarray(0, bytesRead));
        }
      } finally {
        await handle.close();
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw fileError('read', this.file, error);
      this.forget();
      return this.found;
    }
  }

  private forget(): void {
    [this.offset, this.end, this.rest, this.found] = [0, Buffer.alloc(0), Buffer.alloc(0), {}];
  }

  private take(bytes: Buffer): void {
    this.offset += bytes.length;
    this.end = Buffer.concat([this.end, bytes.subarray(-OVERLAP)]).subarray(-OVERLAP);
    const all = Buffer.concat([this.rest, bytes]);
    const whole = all.lastIndexOf(10) + 1;
    this.rest = Buffer.from(all.subarray(whole));
    for (const text of all.toString('utf8', 0, whole).split('\n')) {
      const line = text ? parseMetricsLine(text) : undefined;
      if (line) this.note(line);
    }
  }

  private note(line: MetricsLine): void {
    if (line.kind === 'step') {
      this.found = { ...this.found, lastStep: line };
      return;
    }
    const top1 = Math.max(Number(line['top1']), Number(line['averageTop1'] ?? 0));
    const { bestTop1 = 0 } = this.found;
    this.found = { ...this.found, lastEpoch: line, bestTop1: top1 > bestTop1 ? top1 : bestTop1 };
  }
}

/** A file that is read piece by piece: only the bytes that are wanted, into buffers where they are aligned. */

import { constants } from 'node:buffer';
import { constants as fsConstants, readSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { Budget } from '../../common/budget.ts';
import { UserError } from '../../common/errors.ts';
import type { RunContext } from '../../common/progress.ts';
import { fileError } from '../files/file-errors.ts';

/** Bytes of a file. */
export interface ByteRange {
  readonly offset: number;
  readonly length: number;
  /** The buffer's address is to be a multiple of this: 1, 2, 4 or 8. */
  readonly alignment: number;
}

/** Neighbouring ranges share one read and one buffer up to this size: small tensors cost few calls, large ones can be freed alone. */
const BATCH_BYTES = 4 << 20;
/** Bytes between two ranges that are read along rather than skipped (zip headers, padding). */
const MAX_GAP = 4096;
/** One read of the system, so that progress moves and cancelling works. */
const READ_BYTES = 32 << 20;
/** Reads in flight: two hide the gaps between them; more gain nothing on a disk or from the page cache. */
const CONCURRENT_READS = 2;

/** Opening a pipe that nobody writes to would wait for ever. */
const READ_WITHOUT_WAITING = fsConstants.O_RDONLY | (fsConstants.O_NONBLOCK ?? 0);

export class SourceFile {
  private constructor(
    readonly path: string,
    readonly size: number,
    private readonly handle: FileHandle,
    /** Everything that is unfolded from the file is counted here. */
    readonly budget: Budget,
  ) {}

  /** @throws UserError if there is no such file, or it is a folder, a pipe or a device, or cannot be read */
  static async open(path: string, signal?: AbortSignal): Promise<SourceFile> {
    let handle: FileHandle | undefined;
    try {
      handle = await open(path, READ_WITHOUT_WAITING);
      const stat = await handle.stat();
      if (stat.isDirectory()) throw new UserError(`Cannot read ${path}: it is a folder, not a file.`);
      if (!stat.isFile())
        throw new UserError(`Cannot read ${path}: it is a pipe, a device or a socket, not a file of weights.`);
      return new SourceFile(path, stat.size, handle, new Budget(path, stat.size, signal));
    } catch (error) {
      await handle?.close();
      throw fileError('read', path, error);
    }
  }

  async close(): Promise<void> {
    await this.handle.close();
  }

  /** Exactly `length` bytes from `offset`, in a buffer of their own. */
  async read(offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array> {
    this.check(offset, length);
    const buffer = this.allocate(length);
    await this.fill(buffer, offset, signal);
    return buffer;
  }

  /** As `read`, at once: for the few bytes of a header, where waiting costs more than reading. */
  readNow(buffer: Uint8Array, offset: number): void {
    this.check(offset, buffer.length);
    for (let done = 0; done < buffer.length; ) {
      const read = this.attempt(() => readSync(this.handle.fd, buffer, done, buffer.length - done, offset + done));
      if (read === 0) throw this.endedEarly(offset + done);
      done += read;
    }
  }

  /** The bytes of each range, in the order of `ranges`, as views into shared buffers (see BATCH_BYTES). */
  async readRanges(ranges: readonly ByteRange[], context: RunContext = {}): Promise<Uint8Array[]> {
    const results = new Array<Uint8Array>(ranges.length);
    const batches = this.batch(ranges);
    const total = batches.reduce((sum, batch) => sum + batch.end - batch.start, 0);
    let done = 0;
    let next = 0;
    const readBatch = async ({ start, end, members }: Batch): Promise<void> => {
      const buffer = this.allocate(end - start);
      await this.fill(buffer, start, context.signal, (bytes) => {
        done += bytes;
        context.progress?.({ phase: 'read', done, total });
      });
      for (const member of members) {
        const { offset, length } = ranges[member];
        results[member] = buffer.subarray(offset - start, offset - start + length);
      }
    };
    const work = async (): Promise<void> => {
      try {
        while (next < batches.length) await readBatch(batches[next++]);
      } catch (error) {
        next = batches.length; // The others need not go on.
        throw error;
      }
    };
    await Promise.all(Array.from({ length: CONCURRENT_READS }, work));
    return results;
  }

  /** Groups the ranges, in file order, such that each is aligned in its batch's buffer (whose start is). */
  private batch(ranges: readonly ByteRange[]): Batch[] {
    const order = ranges.map((_, index) => index).sort((a, b) => ranges[a].offset - ranges[b].offset);
    const batches: Batch[] = [];
    for (const index of order) {
      const { offset, length, alignment } = ranges[index];
      this.check(offset, length);
      const last = batches.at(-1);
      const end = offset + length;
      const fits =
        last &&
        offset - last.end <= MAX_GAP &&
        end - last.start <= BATCH_BYTES &&
        (offset - last.start) % alignment === 0;
      if (fits) {
        last.members.push(index);
        last.end = Math.max(last.end, end);
      } else {
        batches.push({ start: offset, end, members: [index] });
      }
    }
    return batches;
  }

  private allocate(length: number): Uint8Array {
    if (length > constants.MAX_LENGTH) {
      throw new UserError(
        `${this.path} holds ${length} bytes in one piece; at most ${constants.MAX_LENGTH} can be read.`,
      );
    }
    return Buffer.allocUnsafeSlow(length);
  }

  private async fill(
    buffer: Uint8Array,
    offset: number,
    signal?: AbortSignal,
    onRead?: (bytes: number) => void,
  ): Promise<void> {
    for (let done = 0; done < buffer.length; ) {
      signal?.throwIfAborted();
      const length = Math.min(READ_BYTES, buffer.length - done);
      const { bytesRead } = await this.handle.read(buffer, done, length, offset + done).catch((error) => {
        throw fileError('read', this.path, error);
      });
      if (bytesRead === 0) throw this.endedEarly(offset + done);
      done += bytesRead;
      onRead?.(bytesRead);
    }
  }

  private check(offset: number, length: number): void {
    const inside = Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0;
    if (!inside || offset + length > this.size) {
      throw new UserError(
        `${this.path} is cut off or damaged: bytes ${offset} to ${offset + length} are wanted, and it has ${this.size}.`,
      );
    }
  }

  private endedEarly(offset: number): UserError {
    return new UserError(`${this.path} ended at byte ${offset} while it was read: was it changed by another program?`);
  }

  private attempt<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      throw fileError('read', this.path, error);
    }
  }
}

interface Batch {
  readonly start: number;
  end: number;
  readonly members: number[];
}

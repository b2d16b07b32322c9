/** Runs on disk: one folder each, with `job.json` and whatever the run writes. */
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { asFound, type RunRecord } from './run-record.ts';
import { parseRunRecord } from './run-record-schema.ts';

const JOB_FILE = 'job.json';

export class RunStore {
  private writes = Promise.resolve();

  constructor(readonly folder: string) {}

  directory(id: string): string {
    return path.join(this.folder, id);
  }

  /** Whether a run found on disk may write there when it is taken up: `own` is its folder, the rest of the workspace is for new files. */
  mayWrite(id: string, file: string): 'own' | 'new' | 'never' {
    const isIn = (folder: string): boolean => path.resolve(file).startsWith(path.resolve(folder) + path.sep);
    if (isIn(this.directory(id))) return 'own';
    return path.isAbsolute(file) && isIn(path.dirname(path.dirname(this.folder))) ? 'new' : 'never';
  }

  /** All runs, newest first; folders without a readable record are left out. */
  async list(): Promise<readonly RunRecord[]> {
    const names = await readdir(this.folder).catch(() => [] as string[]);
    const records = await Promise.all(names.map((name) => this.read(name)));
    return records
      .filter((record) => record !== undefined)
      .sort((a, b) => (a.created < b.created ? 1 : a.created > b.created ? -1 : 0));
  }

  /** A record as it was last written, by this window or another; writes of this one under way are waited for. */
  async read(id: string): Promise<RunRecord | undefined> {
    await this.writes;
    try {
      const record = parseRunRecord(await readFile(path.join(this.directory(id), JOB_FILE), 'utf8'));
      return record?.id === id ? asFound(record) : undefined;
    } catch {
      return undefined;
    }
  }

  /** Writes the whole record, one after the other, never leaving half a file. */
  write(record: RunRecord): Promise<void> {
    const done = this.writes.then(async () => {
      const folder = this.directory(record.id);
      await mkdir(folder, { recursive: true });
      const temporary = path.join(folder, `${JOB_FILE}.${process.pid}.tmp`);
      await writeFile(temporary, `${JSON.stringify(record, null, 2)}\n`);
      await rename(temporary, path.join(folder, JOB_FILE));
    });
    this.writes = done.catch(() => undefined);
    return done;
  }

  /** A name that no run has yet. */
  async freeId(wanted: string): Promise<string> {
    const taken = new Set(await readdir(this.folder).catch(() => [] as string[]));
    for (let n = 1; ; n++) {
      const id = n === 1 ? wanted : `${wanted}-${n}`;
      if (!taken.has(id)) return id;
    }
  }

  async remove(id: string): Promise<void> {
    await rm(this.directory(id), { recursive: true, force: true });
  }
}

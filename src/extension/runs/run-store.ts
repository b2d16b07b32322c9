/** Runs on disk: one folder each, with `job.json` and whatever the run writes. */
import { appendFile, lstat, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { RUN_FILES } from '../../protocol/run-files.ts';
import { hasEnded } from './run-process.ts';
import { asFound, ENDED, isUnattended, type RunRecord } from './run-record.ts';
import { parseRunRecord } from './run-record-schema.ts';

const JOB_FILE = 'job.json';

export class RunStore {
  private writes = Promise.resolve();
  private readonly removed = new Set<string>();

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

  /** A link in a run's folder or its job's, or the folder itself as one: a repository can bring it along, and writing there would lead out. */
  async linkIn(id: string): Promise<string | undefined> {
    const folder = this.directory(id);
    if ((await lstat(folder)).isSymbolicLink()) return folder;
    for (const place of [folder, path.join(folder, RUN_FILES.job)]) {
      const entries = await readdir(place, { withFileTypes: true }).catch(() => []);
      const link = entries.find((entry) => entry.isSymbolicLink());
      if (link) return path.join(place, link.name);
    }
    return undefined;
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
      if ((await lstat(this.directory(id))).isSymbolicLink()) return undefined;
      const record = parseRunRecord(await readFile(path.join(this.directory(id), JOB_FILE), 'utf8'));
      if (record?.id !== id) return undefined;
      // It has ended by itself since its window was closed: whoever follows it next finds out how.
      if (!ENDED.has(record.state) && isUnattended(record) && (await hasEnded(this.directory(id)))) return record;
      return asFound(record);
    } catch {
      return undefined;
    }
  }

  /** Writes the whole record, one after the other, never leaving half a file; a run that was removed stays so. */
  write(record: RunRecord): Promise<void> {
    const done = this.writes.then(async () => {
      if (this.removed.has(record.id)) return;
      const folder = this.directory(record.id);
      await mkdir(folder, { recursive: true });
      const temporary = path.join(folder, `${JOB_FILE}.${process.pid}.tmp`);
      await writeFile(temporary, `${JSON.stringify(record, null, 2)}\n`);
      await rename(temporary, path.join(folder, JOB_FILE));
    });
    this.writes = done.catch(() => undefined);
    return done;
  }

  /** Keeps a line of what a run said beside it; a line that cannot be kept is not worth an error. */
  appendLog(id: string, line: string): Promise<void> {
    this.writes = this.writes.then(() =>
      appendFile(path.join(this.directory(id), RUN_FILES.log), `${line}\n`).catch(() => undefined),
    );
    return this.writes;
  }

  /** What a run has said since it began. */
  async log(id: string): Promise<readonly string[]> {
    await this.writes;
    const text = await readFile(path.join(this.directory(id), RUN_FILES.log), 'utf8').catch(() => '');
    return text === '' ? [] : text.trimEnd().split('\n');
  }

  /** A name that no run has yet. */
  async freeId(wanted: string): Promise<string> {
    const taken = new Set([...(await readdir(this.folder).catch(() => [] as string[])), ...this.removed]);
    for (let n = 1; ; n++) {
      const id = n === 1 ? wanted : `${wanted}-${n}`;
      if (!taken.has(id)) return id;
    }
  }

  /** Removes a run's folder, after what is still being written into it. */
  remove(id: string): Promise<void> {
    this.removed.add(id);
    const done = this.writes.then(() => rm(this.directory(id), { recursive: true, force: true }));
    this.writes = done.catch(() => undefined);
    return done;
  }
}

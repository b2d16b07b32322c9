/** Entry of the suite inside the extension host, for the server (test/e2e) and for the desktop (npm run test:electron). */
import { readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import Mocha from 'mocha';

export interface HostResult {
  readonly title: string;
  readonly state: 'passed' | 'failed' | 'pending';
  readonly ms?: number;
  readonly error?: string;
}

/** Called by VS Code; rejects when a test failed. Results go to the file named in ESPALIER_HOST_RESULTS. */
export function run(): Promise<void> {
  const mocha = new Mocha({ ui: 'tdd', color: false, timeout: 60_000 });
  for (const name of readdirSync(__dirname).sort()) {
    if (name.endsWith('.suite.cjs')) mocha.addFile(path.join(__dirname, name));
  }
  const results: HostResult[] = [];
  return new Promise((resolve, reject) => {
    const runner = mocha.run((failures) => {
      const file = process.env['ESPALIER_HOST_RESULTS'];
      if (file) writeFileSync(file, JSON.stringify(results));
      if (failures) reject(new Error(`${failures} tests failed`));
      else resolve();
    });
    runner.on('pass', (t) => results.push({ title: t.title, state: 'passed', ms: t.duration }));
    runner.on('fail', (t, error: Error) => results.push({ title: t.title, state: 'failed', error: error.stack }));
    runner.on('pending', (t) => results.push({ title: t.title, state: 'pending' }));
  });
}

import assert from 'node:assert/strict';
import { existsSync, readFileSync, statfsSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { lastLines, thisHost } from '../../../../src/engine/compute/runtime/install-host.ts';
import { temporaryFolder } from './fakes.ts';

const { run, freeBytes } = thisHost();

test('a command’s code and output, and a command that does not exist', async () => {
  const result = await run(process.execPath, ['-e', 'console.log("out"); console.error("err"); process.exit(3)']);
  assert.deepEqual(result, { code: 3, stdout: 'out\n', stderr: 'err\n' });
  assert.equal((await run('no-such-command-here', [])).code, undefined);
});

test('a command that is killed tells the signal', async () => {
  const { code, stderr } = await run(process.execPath, ['-e', 'process.kill(process.pid, "SIGILL")']);
  assert.equal(code, -1);
  assert.match(stderr, /ended by SIGILL/);
});

test('aborting ends the command', { timeout: 30_000 }, async () => {
  const file = path.join(temporaryFolder(), 'pid');
  const controller = new AbortController();
  const program = `fs.writeFileSync(${JSON.stringify(file)}, process.pid + '\\n'); setTimeout(() => {}, 60000)`;
  const running = run(process.execPath, ['-e', program], { signal: controller.signal });
  const written = (): string => (existsSync(file) ? readFileSync(file, 'utf8') : '');
  while (!written().endsWith('\n')) await sleep(20);
  controller.abort();
  await assert.rejects(running, { name: 'AbortError' });
  assert.throws(() => process.kill(Number(written()), 0), { code: 'ESRCH' });
});

test('a command is started in an empty folder of its own, which is gone afterwards', async () => {
  const { stdout } = await run(process.execPath, ['-p', 'JSON.stringify([process.cwd(), fs.readdirSync(".")])']);
  const [folder, files] = JSON.parse(stdout) as [string, string[]];
  assert.deepEqual(files, []);
  assert.notEqual(folder, process.cwd());
  assert.ok(!existsSync(folder));
});

test('the last lines of an output', () => {
  assert.equal(lastLines('a\nb\r\nc\n', 2), 'b\nc');
});

test('free space is a number of bytes', async () => {
  const { bavail, bsize } = statfsSync(process.cwd());
  const share = (await freeBytes(process.cwd())) / (bavail * bsize);
  assert.ok(share > 0.9 && share < 1.1, `${share}`);
});

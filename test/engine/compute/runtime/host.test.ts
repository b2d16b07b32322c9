import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { lastLines, thisHost } from '../../../../src/engine/compute/runtime/install-host.ts';

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

test('aborting ends the command', async () => {
  const controller = new AbortController();
  const started = performance.now();
  const running = run(process.execPath, ['-e', 'setTimeout(() => {}, 60000)'], { signal: controller.signal });
  setTimeout(() => controller.abort(), 50);
  await assert.rejects(running, { name: 'AbortError' });
  assert.ok(performance.now() - started < 10_000);
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
  assert.ok((await freeBytes(process.cwd())) > 0);
});

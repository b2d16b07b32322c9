/** A finetuning as a job: torchrun on two CPU processes; the window is closed meanwhile, and finds the run again when it is opened. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pruneHalf } from './lib/pruned-model.ts';
import { PYTHON, pythonTorch } from './lib/python-torch.ts';
import { type Environment, Session, setCurrent } from './lib/session.ts';
import { smallData } from './lib/small-data.ts';
import type { Flow } from './lib/steps.ts';

const LIMIT_MS = 600_000;
const EPOCHS = 8;

/** SkyPilot's `sky` and rsync: what they were called with is recorded; a job that is launched has ended at once, with two epochs. */
function standIns(folder: string, record: string): void {
  const run = JSON.stringify({ state: 'done', stepsPerEpoch: 1, request: { options: { batchSize: 2 } } });
  const metrics = [0, 1].map((epoch) => JSON.stringify({ kind: 'epoch', epoch, step: epoch, loss: 1, top1: 0.5 }));
  const results = [
    `printf '%s' '${run}' >run.json`,
    `printf '%s\\n' '${metrics[0]}' '${metrics[1]}' >metrics.jsonl`,
    'cp weights.safetensors best.safetensors',
  ];
  const program = (name: string, body: string): void =>
    writeFileSync(path.join(folder, name), `#!/bin/sh\necho "${name} $*" >>'${record}'\n${body}\n`, { mode: 0o755 });
  program('sky', '');
  // It runs in the job's folder, and brings what the job has written there.
  program('rsync', `case "$*" in *best.safetensors*)\n${results.join('\n')}\n;; esac`);
}

export const jobFlow = (environment: Environment): Flow => ({
  name: 'a job by torchrun, through a closed window',
  skip: pythonTorch(),
  async run(step) {
    const programs = mkdtempSync(path.join(tmpdir(), 'esp-sky-'));
    const prepare = async (workspace: string): Promise<void> => {
      await smallData(workspace, { train: 16, test: 10 });
      standIns(programs, path.join(workspace, 'calls.txt'));
    };
    const session = await Session.start(environment, prepare, {
      settings: {
        'espalier.jobs.python': PYTHON,
        'espalier.jobs.commands': ['sky', 'rsync'].map((name) => `${name}=${path.join(programs, name)}`),
      },
      env: { OMP_NUM_THREADS: '1', CUDA_VISIBLE_DEVICES: '' },
    });
    setCurrent(session);
    const { workbench: wb, workspace } = session;
    const runs = path.join(workspace, '.espalier', 'runs');
    const job = (): string => {
      const found = readdirSync(runs).filter((name) => name.includes('finetune'));
      return path.join(runs, found[0], 'job');
    };
    const epochs = (): number => {
      const file = path.join(job(), 'metrics.jsonl');
      const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n') : [];
      return lines.filter((line) => line.includes('"epoch"') && /"kind": ?"epoch"/.test(line)).length;
    };

    await step('a pruned model, and images', () => pruneHalf(session));
    await step('asks where, and lists the places', async () => {
      await wb.run('Espalier: Finetune');
      await wb.pick('half.safetensors');
      await wb.pick('cifar');
      await wb.pick('Where');
      await wb.quickInput.locator('.monaco-list-row', { hasText: 'SkyPilot' }).waitFor();
      await session.shot('70-where');
      await wb.pick('torchrun on this machine');
      await wb.answer('2');
      await wb.quickInput.locator('.monaco-list-row', { hasText: '2 processes' }).waitFor();
      // The entry that starts it says how many, too.
      await wb.quickInput.locator('.monaco-list-row', { hasText: 'Epochs' }).filter({ hasNotText: 'Start' }).click();
      await wb.answer(String(EPOCHS));
      await wb.pick('Batch size');
      await wb.answer('32');
      await session.shot('71-settings');
    });
    await step('starts: checked, handed over, curves grow', async () => {
      await wb.pick('Start');
      await wb.tab(/epoch/).waitFor();
      await wb.status(new RegExp(`epoch 1 of ${EPOCHS}`)).waitFor({ timeout: LIMIT_MS });
      await wb.webview().locator('tbody tr').first().waitFor({ timeout: LIMIT_MS });
      await wb.webview().getByText('checked one step').waitFor();
      await session.shot('72-running');
    });
    await step('stopped now it saves first; resumed it goes on from there', async () => {
      await wb.webview().getByRole('button', { name: 'Stop now' }).click();
      await wb.webview().locator('.state', { hasText: 'stopped' }).waitFor({ timeout: LIMIT_MS });
      assert.ok(existsSync(path.join(job(), 'latest.safetensors')));
      assert.equal(JSON.parse(readFileSync(path.join(job(), 'run.json'), 'utf8')).state, 'stopped');
      const [before, kept] = [epochs(), readFileSync(path.join(job(), 'metrics.jsonl'), 'utf8')];
      assert.ok(before < EPOCHS, 'it had ended before it was stopped');
      await session.shot('72b-stopped');
      await wb.webview().getByRole('button', { name: 'Resume' }).click();
      await wb.webview().locator('.state', { hasText: 'running' }).waitFor({ timeout: LIMIT_MS });
      await wb.status(new RegExp(`epoch \\d of ${EPOCHS}`)).waitFor({ timeout: LIMIT_MS });
      for (const end = Date.now() + LIMIT_MS; epochs() <= before; ) {
        assert.ok(Date.now() < end, 'no epoch ended after the run was resumed');
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
      assert.ok(readFileSync(path.join(job(), 'metrics.jsonl'), 'utf8').startsWith(kept), 'steps were done twice');
      assert.match(readFileSync(path.join(job(), 'job.log'), 'utf8'), /goes on after \d+ steps/);
    });
    await step('the window is closed: the job goes on', async () => {
      const before = epochs();
      await wb.page.goto('about:blank');
      for (const end = Date.now() + LIMIT_MS; epochs() <= before; ) {
        assert.ok(Date.now() < end, 'no epoch ended without the window');
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
    });
    await step('the window opened again finds it, and its end', async () => {
      await wb.goto(workspace);
      await wb.showViews();
      await wb.tab(/epoch/).click();
      await wb
        .webview()
        .locator('.state', { hasText: /running|done/ })
        .waitFor();
      await wb.webview().locator('tbody tr').nth(1).waitFor();
      await session.shot('73-found-again');
      await wb.webview().locator('.state', { hasText: 'done' }).waitFor({ timeout: LIMIT_MS });
      assert.equal(epochs(), EPOCHS);
      await wb.webview().getByText('measured where it ran').first().waitFor();
      await session.shot('74-done');
    });
    await step('its best model opens, of the pruned one’s lineage, and measured here it is the same', async () => {
      await wb.clearNotifications();
      await wb.webview().getByRole('button', { name: 'Open model' }).click();
      await wb
        .tab(/best|half/)
        .first()
        .waitFor();
      await wb.webview().getByText('Scored by the size').waitFor({ timeout: LIMIT_MS });
      await wb.row('Models', 'half.safetensors').first().waitFor();
      await session.shot('75-opened');
      await wb.tab(/epoch/).click();
      await wb.webview().getByRole('button', { name: 'Evaluate…' }).click();
      await wb.row('Runs', 'Evaluating').filter({ hasText: 'top-1' }).waitFor({ timeout: LIMIT_MS });
      // It shows itself beside the result, in front.
      await wb.tab('Compare Models').waitFor({ timeout: LIMIT_MS });
      await wb.row('Runs', 'Evaluating').first().click();
      await wb
        .webview()
        .getByText(/where it ran, which agrees/)
        .waitFor();
      await session.shot('76-measured-here');
    });
    await step('gradients by torchrun: the channels are scored by them', async () => {
      await wb.tab('resnet20.pth').click();
      await wb.run('Espalier: Score Channels');
      await wb.pick('Where');
      await wb.pick('torchrun on this machine');
      await wb.answer('2');
      await wb.quickInput.locator('.monaco-list-row', { hasText: '2 processes' }).waitFor();
      await session.shot('77-score-where');
      await wb.pick('Taylor');
      await wb.answer('3');
      await wb.row('Runs', 'Scoring channels').filter({ hasText: 'Taylor, 3 batches' }).waitFor({ timeout: LIMIT_MS });
      await wb.webview().getByText('Taylor, 3 batches').first().waitFor();
      const scored = readdirSync(runs).find((name) => name.includes('score')) ?? assert.fail('no run of scores');
      assert.ok(existsSync(path.join(runs, scored, 'job', 'gradients.safetensors')));
      await session.shot('78-scored');
    });
    await step(
      'SkyPilot, by stand-ins: asked for the images there once, launched, its results brought here',
      async () => {
        await wb.clearNotifications();
        await wb.run('Espalier: Finetune…');
        await wb.pick('dense');
        await wb.pick('cifar');
        await wb.pick('Where');
        await wb.pick('SkyPilot');
        await wb.answer('1');
        await wb.answer('2');
        await wb.answer('/cluster/images');
        await wb.quickInput.locator('.monaco-list-row', { hasText: '/cluster/images' }).waitFor();
        await wb.quickInput.locator('.monaco-list-row', { hasText: 'Epochs' }).filter({ hasNotText: 'Start' }).click();
        await wb.answer('2');
        await session.shot('79-sky');
        await wb.pick('Start');
        await wb
          .row('Runs', /SkyPilot|epoch|measured where it ran/)
          .first()
          .waitFor({ timeout: LIMIT_MS });
        await wb
          .row('Runs', 'best top-1 50')
          .filter({ hasText: 'measured where it ran' })
          .waitFor({ timeout: LIMIT_MS });
        const calls = readFileSync(path.join(workspace, 'calls.txt'), 'utf8');
        assert.match(
          calls,
          /^sky launch --dryrun --yes job\.sky\.yaml\nsky launch --yes --detach-run --cluster espalier-/,
        );
        assert.match(calls, /sky logs --status espalier-[\s\S]*rsync .*best\.safetensors/);
        const kept = JSON.parse(readFileSync(path.join(workspace, '.vscode', 'settings.json'), 'utf8'));
        assert.equal(kept['espalier.jobs.skypilotDataPath'], '/cluster/images');
        await session.shot('80-sky-done');
      },
    );
    await session.stop();
    rmSync(programs, { recursive: true, force: true });
    setCurrent(undefined);
  },
});

/** A finetuning as a job: torchrun on two CPU processes; the window is closed meanwhile, and finds the run again when it is opened. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { pruneHalf } from './lib/pruned-model.ts';
import { PYTHON, pythonTorch } from './lib/python-torch.ts';
import { type Environment, Session, setCurrent } from './lib/session.ts';
import { smallData } from './lib/small-data.ts';
import type { Flow } from './lib/steps.ts';

const LIMIT_MS = 600_000;
const EPOCHS = 8;

export const jobFlow = (environment: Environment): Flow => ({
  name: 'a job by torchrun, through a closed window',
  skip: pythonTorch(),
  async run(step) {
    const prepare = async (workspace: string): Promise<void> => {
      await smallData(workspace, { train: 16, test: 10 });
    };
    const session = await Session.start(environment, prepare, {
      settings: { 'espalier.jobs.python': PYTHON },
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
      await wb.row('Runs', 'Evaluating').first().click();
      await wb
        .webview()
        .getByText(/where it ran, which agrees/)
        .waitFor();
      await session.shot('76-measured-here');
    });
    await session.stop();
    setCurrent(undefined);
  },
});

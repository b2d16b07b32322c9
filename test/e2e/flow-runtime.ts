/**
 * Without the TensorFlow runtime: ONNX Runtime computes, it is said once, and the installation can be cancelled.
 *
 * `install` (only by name: it downloads 274 MB): the whole installation out of the packaged extension. `CXX=none` shows that
 * a package with its binding prebuilt needs no compiler.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Environment, Session, setCurrent } from './lib/session.ts';
import { smallData } from './lib/small-data.ts';
import type { Flow } from './lib/steps.ts';

const LIMIT_MS = 300_000;
const INSTALL_LIMIT_MS = 900_000;

/** A session whose runtime folder is empty, its model open and its images chosen. */
async function startWithout(environment: Environment, place: string): Promise<Session> {
  const session = await Session.start(
    environment,
    async (workspace) => {
      await smallData(workspace, { train: 10, test: 10 });
    },
    { env: { ESPALIER_RUNTIME: path.join(place, 'runtime') } },
  );
  setCurrent(session);
  return session;
}

async function openSmallModel({ workbench: wb, workspace }: Session): Promise<void> {
  await wb.showViews();
  await wb.run('Espalier: Select Data Set');
  await wb.answerPath(path.join(workspace, 'images'));
  await wb.tab('Data set images').waitFor();
  await wb.run('Espalier: Load Checkpoint');
  await wb.pick('resnet20.pth');
  await wb.webview().getByText('Scored by the size').waitFor();
  await wb.status('ONNX Runtime').waitFor();
}

async function comparisonShown({ workbench: wb }: Session): Promise<void> {
  await wb.tab('Compare Models').waitFor({ timeout: LIMIT_MS });
  await wb.webview().locator('tbody tr').first().waitFor({ timeout: LIMIT_MS });
}

export const installFlow = (environment: Environment): Flow => ({
  name: 'the TensorFlow runtime, installed from the palette',
  async run(step) {
    const place = mkdtempSync(path.join(tmpdir(), 'esp-rt-'));
    const session = await startWithout(environment, place);
    const { workbench: wb } = session;
    await step('ONNX Runtime is there at first', () => openSmallModel(session));
    await step('installs, with progress', async () => {
      await wb.run('Espalier: Install TensorFlow Runtime');
      await wb.notification('Installing the TensorFlow runtime').waitFor();
      await wb.page.waitForTimeout(3000);
      await session.shot('52-installing');
      await wb.notification('Espalier now computes with TensorFlow').waitFor({ timeout: INSTALL_LIMIT_MS });
      await wb.status(/TensorFlow \d/).waitFor();
      await wb.clearNotifications();
    });
    await step('evaluates on it, in the same window', async () => {
      await wb.run('Espalier: Evaluate');
      await comparisonShown(session);
      await wb
        .webview()
        .getByText(/Measured on .*TensorFlow \d/)
        .waitFor();
      await session.shot('53-installed');
    });
    await session.stop();
    rmSync(place, { recursive: true, force: true });
    setCurrent(undefined);
  },
});

export const runtimeFlow = (environment: Environment): Flow => ({
  name: 'without the TensorFlow runtime',
  async run(step) {
    const place = mkdtempSync(path.join(tmpdir(), 'esp-rt-'));
    const session = await startWithout(environment, place);
    const { workbench: wb } = session;

    await step('the status bar names ONNX Runtime', () => openSmallModel(session));
    await step('it evaluates, and says once what would be faster', async () => {
      await wb.run('Espalier: Evaluate');
      await wb.notification('computes with ONNX Runtime').waitFor();
      await comparisonShown(session);
      await session.shot('50-embedded');
      await wb.clearNotifications();
    });
    await step('the installation shows its progress, and cancelling leaves nothing behind', async () => {
      await wb.run('Espalier: Install TensorFlow Runtime');
      const installing = wb.notification('Installing the TensorFlow runtime');
      await installing.waitFor();
      await wb.page.waitForTimeout(1500);
      await installing.getByRole('button', { name: 'Cancel' }).click();
      await installing.waitFor({ state: 'detached' });
      // The notification goes at once, the worker cleans up after it.
      const left = (): string[] => readdirSync(place).filter((name) => !name.endsWith('.lock'));
      for (let i = 0; i < 100 && left().length; i++) await wb.page.waitForTimeout(100);
      assert.deepEqual(left(), []);
    });
    await step('the runtime status says what there is', async () => {
      await wb.run('Espalier: Show Runtime Status');
      await wb.dialog.getByText('not installed').first().waitFor();
      await session.shot('51-runtime');
      await wb.page.keyboard.press('Escape');
    });
    await session.stop();
    rmSync(place, { recursive: true, force: true });
    setCurrent(undefined);
  },
});

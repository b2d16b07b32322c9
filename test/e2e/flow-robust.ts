/** What goes wrong, and what the person then sees: killed workers, closed windows, broken files, odd paths, no trust. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Environment, Session, setCurrent } from './lib/session.ts';
import { smallData } from './lib/small-data.ts';
import type { Flow } from './lib/steps.ts';

const LIMIT_MS = 300_000;

export const robustFlow = (environment: Environment): Flow => ({
  name: 'killed workers, closed windows, broken files',
  async run(step) {
    // Spaces and unicode in every path.
    const session = await Session.start(
      environment,
      async (workspace) => {
        await smallData(workspace, { train: 120, test: 30 });
        writeFileSync(path.join(workspace, 'broken.safetensors'), 'no header here');
        symlinkSync(path.join(workspace, 'resnet20.pth'), path.join(workspace, 'linked ü.pth'));
      },
      { name: 'müde Modelle' },
    );
    setCurrent(session);
    const { workbench: wb, workspace } = session;
    const view = () => wb.webview();

    await step('a broken file: the editor says what is wrong and where', async () => {
      await wb.showViews();
      await wb.run('Espalier: Load Checkpoint');
      await wb.pick('broken.safetensors');
      await wb.tab('broken.safetensors').waitFor();
      await view()
        .getByText(/broken\.safetensors: it announces a header of \d+ bytes/)
        .first()
        .waitFor();
      await session.shot('20-broken-file');
      await wb.run('View: Close Editor');
    });
    await step('a symbolic link with unicode in its name opens', async () => {
      await wb.run('Espalier: Load Checkpoint');
      await wb.pick('linked ü.pth');
      await view().getByText('Scored by the size').waitFor();
      await wb.run('View: Close Editor');
    });
    await step('chooses the data set by a recent folder or a dialog', async () => {
      await wb.run('Espalier: Select Data Set');
      await wb.answerPath(path.join(workspace, 'images'));
      await wb.tab('Data set images').waitFor();
      await wb.run('View: Close Editor');
      await wb.run('Espalier: Load Checkpoint');
      await wb.pick('resnet20.pth');
      await view().getByText('Scored by the size').waitFor();
    });
    await step('worker killed while scoring: the run was interrupted, and can be tried again', async () => {
      await wb.run('Espalier: Score Channels');
      await wb.pick('Hessian');
      await wb.answer('15');
      await wb.status(/Scoring channels \d/).waitFor({ timeout: LIMIT_MS });
      session.killWorkers();
      await wb.notification('SIGKILL').waitFor();
      await wb.row('Runs', 'interrupted').waitFor();
      await session.shot('21-interrupted');
      await wb.notification('SIGKILL').getByRole('button', { name: 'Try Again' }).click();
      await wb.row('Runs', 'Hessian').waitFor({ timeout: LIMIT_MS });
      await view().getByText('Scored with Hessian').first().waitFor();
    });
    await step('worker killed while idle: the next plan has another worker and the same scores', async () => {
      const before = session.workers();
      session.killWorkers();
      await wb.run('Espalier: Set FLOP Target');
      await wb.answer('60%');
      await view().getByText('reached').first().waitFor();
      assert.notDeepEqual(session.workers(), before);
    });
    await step(
      'prunes, finetunes; the run killed in the second epoch; resume takes it up; a killed worker is nothing to it',
      async () => {
        await wb.run('Espalier: Prune Model');
        await wb.answerPath(path.join(workspace, 'klein.safetensors'));
        await wb.notification('Saved').waitFor({ timeout: LIMIT_MS });
        await wb.clearNotifications();
        await wb.run('Espalier: Finetune');
        await wb.pick('klein.safetensors');
        await wb.pick('cifar');
        await wb.pick('Start');
        await wb.tab(/epoch/).waitFor();
        await view().locator('tbody tr').first().waitFor({ timeout: LIMIT_MS });
        session.killRuns();
        await view().locator('.state', { hasText: 'interrupted' }).waitFor();
        await session.shot('22-finetune-interrupted');
        await wb.clearNotifications();
        await view().getByRole('button', { name: 'Resume' }).click();
        await view().locator('.state', { hasText: 'running' }).waitFor();
        if (session.workers().length > 0) session.killWorkers();
      },
    );
    await step(
      'the window closed and opened again: the run went on meanwhile, is followed again and comes to its end',
      async () => {
        await view().locator('tbody tr').nth(1).waitFor({ timeout: LIMIT_MS });
        await wb.goto(workspace);
        await wb.tab(/epoch/).click();
        await view()
          .locator('.state', { hasText: /running|done/ })
          .waitFor({ timeout: 60_000 });
        await view().locator('tbody tr').nth(1).waitFor();
        await session.shot('23-reopened');
        await view().locator('.state', { hasText: 'done' }).waitFor({ timeout: LIMIT_MS });
        await view().locator('tbody tr').nth(4).waitFor();
      },
    );
    await step('the model editor is restored with its scores, target and pruned model', async () => {
      await wb.tab('resnet20.pth').click();
      await view().getByText('reached').first().waitFor({ timeout: 60_000 });
      await session.shot('24-model-restored');
    });
    await step('another window on the workspace shows the same runs', async () => {
      const other = await session.window();
      await other.showViews();
      await other.row('Runs', 'Finetuning').waitFor();
      await other.row('Runs', 'Pruning').waitFor();
      await other.close();
    });
    await step('a run of another window is followed, and left to it', async () => {
      const other = await session.window();
      await other.showViews();
      await other.row('Runs', 'Pruning').waitFor();
      await wb.showViews();
      await wb.run('Espalier: Evaluate');
      await wb.pick('linked ü.pth');
      await wb.quickInput.getByText('OK', { exact: true }).click();
      await other.row('Runs', 'Evaluating').waitFor({ timeout: LIMIT_MS });
      await wb.row('Runs', 'Evaluating').filter({ hasText: 'models' }).waitFor({ timeout: LIMIT_MS });
      await other.row('Runs', 'Evaluating').filter({ hasText: 'models' }).waitFor();
      await other.close();
    });
    await step('nothing unexpected in the console', async () => {
      // The workbench logs what it shows as an error; those were meant.
      assert.deepEqual(
        wb.errors.filter((text) => !/The (worker|process of the run) was killed/.test(text)),
        [],
      );
    });
    await session.stop();
    setCurrent(undefined);
  },
});

/** Takes the right to write from a folder; from root, who may write everywhere, by the file system's own attribute. */
function setReadOnly(folder: string, readOnly: boolean): void {
  if (process.getuid?.() === 0) execFileSync('chattr', [readOnly ? '+i' : '-i', folder], { stdio: 'ignore' });
  else chmodSync(folder, readOnly ? 0o555 : 0o755);
}

/** Why no folder can be made read-only here; undefined when one can. */
function whyNotReadOnly(): string | undefined {
  const folder = mkdtempSync(path.join(tmpdir(), 'esp-ro-'));
  try {
    setReadOnly(folder, true);
    setReadOnly(folder, false);
    return undefined;
  } catch {
    return 'runs as root, and the file system has no attribute for read-only folders';
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export const readOnlyFlow = (environment: Environment): Flow => ({
  name: 'a folder that cannot be written to',
  skip: whyNotReadOnly(),
  async run(step) {
    const session = await Session.start(environment, async (workspace) => {
      await smallData(workspace);
      setReadOnly(workspace, true);
    });
    setCurrent(session);
    const { workbench: wb, workspace } = session;
    try {
      await step('scores all the same: the run is kept elsewhere', async () => {
        await wb.showViews();
        await wb.run('Espalier: Load Checkpoint');
        await wb.pick('resnet20.pth');
        await wb.webview().getByText('Scored by the size').waitFor();
        await wb.run('Espalier: Score Channels');
        await wb.pick('L1');
        await wb.row('Runs', 'Scoring channels').filter({ hasText: 'L1' }).waitFor({ timeout: LIMIT_MS });
        assert.equal(existsSync(path.join(workspace, '.espalier')), false);
      });
      await step('writing there fails with the reason, writing elsewhere works', async () => {
        await wb.run('Espalier: Set FLOP Target');
        await wb.answer('50%');
        await wb.webview().getByText('reached').first().waitFor();
        await wb.run('Espalier: Prune Model');
        await wb.answerPath(path.join(workspace, 'half.safetensors'));
        await wb
          .notification(/half\.safetensors: (permission is denied|the operation is not permitted)/)
          .waitFor({ timeout: LIMIT_MS });
        assert.equal(existsSync(path.join(workspace, 'half.safetensors')), false);
        await session.shot('26-read-only');
        await wb.clearNotifications();
        const elsewhere = mkdtempSync(path.join(tmpdir(), 'esp-out-'));
        await wb.run('Espalier: Prune Model');
        await wb.answerPath(path.join(elsewhere, 'half.safetensors'));
        await wb.notification('Saved').waitFor({ timeout: LIMIT_MS });
        assert.ok(existsSync(path.join(elsewhere, 'half.safetensors')));
        rmSync(elsewhere, { recursive: true, force: true });
      });
    } finally {
      setReadOnly(workspace, false);
    }
    await session.stop();
    setCurrent(undefined);
  },
});

export const untrustedFlow = (environment: Environment): Flow => ({
  name: 'a workspace that is not trusted',
  async run(step) {
    const session = await Session.start(
      environment,
      async (workspace) => {
        await smallData(workspace, { train: 10, test: 10 });
      },
      {
        settings: {
          'security.workspace.trust.enabled': true,
          'security.workspace.trust.startupPrompt': 'never',
          'security.workspace.trust.banner': 'never',
        },
      },
    );
    setCurrent(session);
    const { workbench: wb } = session;
    await step('views say that nothing is run', async () => {
      await wb.showViews();
      await wb.page.getByText('This workspace is not trusted').first().waitFor();
    });
    await step('a checkpoint can be looked at', async () => {
      await wb.run('Espalier: Load Checkpoint');
      await wb.pick('resnet20.pth');
      await wb.webview().getByText('is not trusted').first().waitFor();
      await wb.row('Groups', 'residual stream').first().waitFor();
      await session.shot('25-untrusted');
    });
    await step('scoring is refused with the reason', async () => {
      await wb.run('Espalier: Score Channels');
      await wb.notification('needs a trusted workspace').waitFor();
    });
    await session.stop();
    setCurrent(undefined);
  },
});

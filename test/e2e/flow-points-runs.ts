/** What hurt newcomers, in the real VS Code: points of scoring, finetuning, runs, evaluation and export. Run by name. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { pruneHalf } from './lib/pruned-model.ts';
import { type Environment, Session, setCurrent } from './lib/session.ts';
import { smallData } from './lib/small-data.ts';
import type { Flow } from './lib/steps.ts';

const LIMIT_MS = 300_000;

export const pointsRunsFlow = (environment: Environment): Flow => ({
  name: 'what hurt newcomers: what is run',
  async run(step) {
    const session = await Session.start(environment, async (workspace) => void (await smallData(workspace)));
    setCurrent(session);
    const { workbench: wb, workspace } = session;
    const view = () => wb.webview();
    const rows = (text: string) => wb.quickInput.locator('.monaco-list-row', { hasText: text });

    /** What the editor in front holds, by its keys. */
    const rewrite = async (text: string): Promise<void> => {
      await wb.page.locator('.monaco-editor .view-lines').first().click();
      await wb.page.keyboard.press('Control+A');
      await wb.page.evaluate((pasted) => navigator.clipboard.writeText(pasted), text);
      await wb.page.keyboard.press('Control+V');
      await wb.page.keyboard.press('Control+S');
    };

    await step('a pruned model, and images', () => pruneHalf(session));
    await step('4: progress of a scoring never runs back', async () => {
      await wb.run('Espalier: Score Channels');
      await wb.pick('Taylor');
      await wb.answer('6');
      const seen: number[] = [];
      for (const end = Date.now() + LIMIT_MS; Date.now() < end; ) {
        const text = (await wb.status(/Scoring/).allTextContents()).join();
        const percent = /(\d+) %/.exec(text)?.[1];
        if (percent) seen.push(Number(percent));
        if (await wb.row('Runs', 'Taylor, 6 batches').count()) break;
        await wb.page.waitForTimeout(100);
      }
      assert.ok(seen.length > 0, 'no progress was seen');
      await wb.row('Runs', 'Taylor, 6 batches').waitFor();
      assert.deepEqual(
        seen,
        [...seen].sort((a, b) => a - b),
      );
    });
    await step('6: the common settings by name, all faults of the file at once, a button to start', async () => {
      await wb.run('Espalier: Finetune');
      await wb.pick('half.safetensors');
      await wb.pick('cifar');
      for (const label of ['Epochs', 'Learning rate', 'Batch size', 'Where']) await rows(label).first().waitFor();
      await session.shot('86-finetune');
      await wb.pick('Edit settings first');
      await wb.tab('espalier-finetune.json').waitFor();
      await wb.page.locator('.codelens-decoration', { hasText: 'Start' }).waitFor();
      const runs = path.join(workspace, '.espalier', 'runs');
      const file = readdirSync(runs)
        .map((name) => path.join(runs, name, 'espalier-finetune.json'))
        .find((name) => existsSync(name));
      assert.ok(file);
      const settings = JSON.parse(readFileSync(file, 'utf8'));
      const wrong = { ...settings, flags: { ...settings.flags, epochs: 'many', optt: 'sgd' } };
      await rewrite(JSON.stringify(wrong, null, 2));
      await wb
        .status(/2/)
        .filter({ has: wb.page.locator('.codicon-error, .codicon-warning') })
        .first()
        .waitFor();
      await session.shot('87-faults');
      const right = { ...settings, flags: { ...settings.flags, epochs: 3, 'batch-size': 32 } };
      await rewrite(JSON.stringify(right, null, 2));
      await wb.page.waitForTimeout(1000);
      await wb.page.locator('.codelens-decoration a', { hasText: 'Start' }).click();
      await wb.tab(/epoch/).waitFor();
    });
    await step('17: the window is reloaded, the run goes on; 7: its page has the buttons that apply', async () => {
      await view().locator('tbody tr').first().waitFor({ timeout: LIMIT_MS });
      await wb.goto(workspace);
      await wb.tab(/epoch/).click();
      await view()
        .locator('.state', { hasText: /running|done/ })
        .waitFor();
      await view().locator('.state', { hasText: 'done' }).waitFor({ timeout: LIMIT_MS });
      for (const gone of ['Pause', 'Continue', 'Stop now', 'Resume'])
        assert.equal(await view().getByRole('button', { name: gone, exact: true }).isVisible(), false, gone);
      assert.equal(await view().getByText('Nothing was said yet.').count(), 0);
    });
    await step('12: smoothing, log scale, best epoch and validation loss in the charts', async () => {
      await view().locator('#smoothing').waitFor();
      await view().getByText('Log scale').click();
      await view().locator('circle.best').first().waitFor();
      await view().getByText('values on a log scale').first().waitFor();
      await view().getByText('validation loss').first().waitFor();
      await session.shot('88-charts');
    });
    await step('8: a run is renamed, and its tab with it', async () => {
      await wb.showViews();
      await wb.contextMenu(wb.row('Runs', 'epochs').first(), 'Rename Run');
      await wb.answer('the first try');
      await wb.tab('the first try').waitFor();
      await wb.clearNotifications();
    });
    await step(
      '12: Evaluate… ticks the finetuned model; 3: with the comparison in front, Export asks which model',
      async () => {
        await wb.run('Espalier: Evaluate');
        const finetuned = rows('half, finetuned');
        await finetuned.waitFor();
        assert.ok(
          await finetuned
            .locator('input[type=checkbox]:checked, .monaco-checkbox.checked, [aria-checked=true]')
            .count(),
        );
        await wb.quickInput.getByText('OK', { exact: true }).click();
        await wb.tab('Compare Models').waitFor({ timeout: LIMIT_MS });
        await view().locator('tbody tr').nth(1).waitFor({ timeout: LIMIT_MS });
        await wb.tab('Compare Models').click();
        await wb.run('Espalier: Export Model');
        await wb.quickInput.getByPlaceholder('Which model?').waitFor();
        await session.shot('89-which');
        await wb.pick('half, finetuned');
        await wb.pick('pytorch');
        // The name comes in after the folder.
        await wb.page.waitForFunction(
          (selector) =>
            /\/[A-Za-z_]\w*\.py$/.test((document.querySelector(selector) as HTMLInputElement | null)?.value ?? ''),
          '.quick-input-widget input.input',
        );
        await wb.page.keyboard.press('Escape');
        await wb.clearNotifications();
      },
    );
    await step('nothing unexpected in the console, and no other host was asked', async () => {
      assert.deepEqual(wb.errors, []);
      assert.deepEqual(wb.foreignRequests, []);
    });
    await session.stop();
    setCurrent(undefined);
  },
});

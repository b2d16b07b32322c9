/** The whole job on the sample, as a newcomer does it: from nothing to a comparison of dense, pruned and finetuned. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type Environment, Session, setCurrent } from './lib/session.ts';
import type { Flow } from './lib/steps.ts';

const RUN_LIMIT_MS = 400_000;

export const sampleFlow = (environment: Environment): Flow => ({
  name: 'the whole job on the sample',
  async run(step) {
    const session = await Session.start(environment, () => undefined);
    setCurrent(session);
    const { workbench: wb, workspace } = session;
    const view = () => wb.webview();
    const sample = path.join(workspace, 'espalier-sample');
    const runFiles = (name: string): string[] => {
      const folder = path.join(workspace, '.espalier', 'runs');
      const found = existsSync(folder) ? readdirSync(folder) : [];
      return found.map((run) => path.join(folder, run, name)).filter((file) => existsSync(file));
    };

    await step('empty views say what to do first', async () => {
      await wb.showViews();
      const buttons = wb.page.locator('.part.sidebar .monaco-button');
      await buttons.filter({ hasText: 'Load Checkpoint…' }).waitFor();
      // A view that is drawn anew when its window learns something shows for a moment what it showed before, too.
      await buttons.nth(1).waitFor({ state: 'detached' });
      assert.equal(await buttons.count(), 1, 'one first thing to do');
      await session.shot('01-empty');
    });
    await step('the walkthrough opens', async () => {
      await wb.page.locator('.part.sidebar').getByText('Prune Your First Model').click();
      await wb.page.locator('.gettingStartedContainer', { hasText: 'Prune your first model' }).waitFor();
      await wb.page.waitForTimeout(500);
      await session.shot('02-walkthrough');
    });
    await step('creates the sample in a folder', async () => {
      await wb.page.locator('.gettingStartedContainer').getByRole('button', { name: 'Create Sample' }).click();
      await wb.answerPath(workspace);
      await wb.tab('resnet20.pth').waitFor({ timeout: 90_000 });
      await view().getByText('Scored by the size').waitFor();
      await session.shot('03-model');
    });
    await step('the models view has its figures, the groups view its scopes', async () => {
      await wb.showViews();
      await wb.row('Models', 'resnet20.pth').filter({ hasText: '269.7 k' }).waitFor();
      await wb.row('Groups', 'residual stream').first().waitFor();
    });
    await step('the data set shows classes, counts and first images', async () => {
      await wb.run('Espalier: Show Data Set');
      await wb.tab('Data set images').waitFor();
      await view().getByText('3,000').waitFor();
      const image = view().locator('img').first();
      await image.waitFor();
      assert.ok(
        await image.evaluate((element: HTMLImageElement) => element.decode().then(() => element.naturalWidth > 0)),
      );
      await session.shot('04-dataset');
      await wb.tab('resnet20.pth').click();
    });
    await step('scores channels, with progress in the status bar', async () => {
      await wb.run('Espalier: Score Channels');
      await wb.quickInput.getByText('Weight times gradient').waitFor();
      await session.shot('05-criterion');
      await wb.pick('Taylor');
      await wb.answer('10');
      await wb.status('Scoring channels').waitFor();
      await view().getByText('Taylor, 10 batches').first().waitFor({ timeout: RUN_LIMIT_MS });
      await wb.row('Runs', 'Scoring channels').filter({ hasText: 'Taylor' }).waitFor();
      await session.shot('06-scored');
    });
    await step('sets a FLOP target by command and plans', async () => {
      await wb.run('Espalier: Set FLOP Target');
      await wb.quickInput.getByText('MACs of one image').waitFor();
      await wb.answer('50%');
      await view().getByText('reached').first().waitFor();
      await session.shot('07-planned');
    });
    await step('a target out of reach is refused while typing', async () => {
      await wb.run('Espalier: Set FLOP Target');
      await wb.quickInput.locator('input.input').fill('0.1%');
      await wb.quickInput.getByText('It cannot be lower').waitFor();
      await wb.page.keyboard.press('Escape');
    });
    await step('prunes to a new file and shows it beside the dense one', async () => {
      await wb.run('Espalier: Prune Model');
      await wb.answerPath(path.join(sample, 'resnet20-half.safetensors'));
      await wb.notification('Saved').waitFor({ timeout: RUN_LIMIT_MS });
      assert.ok(existsSync(path.join(sample, 'resnet20-half.safetensors')));
      await wb.row('Models', 'resnet20-half.safetensors').waitFor();
      await session.shot('08-pruned');
      await wb.clearNotifications();
    });
    await step('finetunes with settings that were edited as a file', async () => {
      await wb.run('Espalier: Finetune');
      await wb.pick('resnet20-half.safetensors');
      await wb.pick('cifar');
      await wb.pick('Edit settings first');
      await wb.tab('espalier-finetune.json').waitFor();
      const [file] = runFiles('espalier-finetune.json');
      const settings = JSON.parse(readFileSync(file, 'utf8'));
      writeFileSync(file, JSON.stringify({ ...settings, flags: { ...settings.flags, epochs: 2, lr: 0.02 } }, null, 2));
      await wb.page.waitForTimeout(500);
      await session.shot('09-settings');
      await wb.run('Espalier: Start Finetuning With These Settings');
      await wb.tab(/epoch/).waitFor();
      await view().getByText('running').first().waitFor();
      await wb.status('Finetuning').waitFor();
    });
    await step('the run editor draws its curves, pauses and continues', async () => {
      await view().locator('path.line').first().waitFor({ timeout: RUN_LIMIT_MS });
      await view().getByRole('button', { name: 'Pause' }).click();
      await view().locator('.state', { hasText: 'paused' }).waitFor();
      await session.shot('10-paused');
      await view().getByRole('button', { name: 'Continue' }).click();
      await view().locator('.state', { hasText: 'running' }).waitFor();
      await view().locator('.state', { hasText: 'done' }).waitFor({ timeout: RUN_LIMIT_MS });
      await session.shot('11-finetuned');
      await wb.clearNotifications();
    });
    await step('evaluates three models and compares them', async () => {
      await wb.run('Espalier: Evaluate');
      await wb.quickInput.locator('.monaco-list-row').first().waitFor();
      // Ticked already: the dense model, the pruned one, and what was finetuned last.
      await wb.quickInput.locator('.monaco-list-row', { hasText: 'resnet20-half, finetuned' }).waitFor();
      await session.shot('12-choose-models');
      await wb.quickInput.getByText('OK', { exact: true }).click();
      await wb.tab('Compare Models').waitFor({ timeout: RUN_LIMIT_MS });
      await view().locator('tbody tr').nth(2).waitFor({ timeout: RUN_LIMIT_MS });
      await session.shot('13-compared');
    });
    await step('shows images that changed verdict', async () => {
      await view().getByRole('button', { name: 'Show', exact: true }).click();
      await view().locator('.thumbnail img').first().waitFor();
      await view().locator('.thumbnail').first().scrollIntoViewIfNeeded();
      await session.shot('14-changed');
    });
    await step('exports the comparison as Markdown and as CSV', async () => {
      await view().getByRole('button', { name: 'Export Markdown' }).click();
      await wb.answerPath(path.join(workspace, 'comparison.md'));
      await wb.notification('Saved comparison.md').waitFor();
      assert.match(readFileSync(path.join(workspace, 'comparison.md'), 'utf8'), /\| Model \| Top-1 .*\n.*\n.*resnet20/);
      await view().getByRole('button', { name: 'Export CSV' }).click();
      await wb.answerPath(path.join(workspace, 'comparison.csv'));
      await wb.notification('Saved comparison.csv').waitFor();
      const rows = readFileSync(path.join(workspace, 'comparison.csv'), 'utf8').trim().split('\n');
      assert.equal(rows.length, 4);
      assert.ok(rows.every((row) => row.split(',').length >= 10));
      await wb.clearNotifications();
    });
    await step('the dense model, measured meanwhile, is a line in the finetuning’s accuracy chart', async () => {
      await wb.tab(/epoch/).click();
      await view()
        .getByText(/^dense \d\d\.\d %$/)
        .waitFor();
      assert.equal(await view().locator('line.reference').count(), 1);
      await session.shot('16-reference');
    });
    await step('the models view shows the lineage', async () => {
      await wb.showViews();
      await wb.row('Models', 'resnet20-half, finetuned').waitFor();
      await session.shot('15-lineage');
    });
    await step('the walkthrough has ticked every step', async () => {
      await wb.run('Espalier: Prune Your First Model');
      const steps = wb.page.locator('.gettingStartedContainer .getting-started-step');
      await steps.first().waitFor();
      const ticked = steps.locator('.codicon-getting-started-step-checked');
      for (let i = 0; i < 50 && (await ticked.count()) < 7; i++) await wb.page.waitForTimeout(100);
      await session.shot('17-walkthrough');
      assert.deepEqual([await steps.count(), await ticked.count()], [7, 7]);
    });
    await step('asked no other host for anything, and nothing unexpected in the console', async () => {
      assert.deepEqual(wb.foreignRequests, []);
      assert.deepEqual(wb.errors, []);
    });
    await session.stop();
    setCurrent(undefined);
  },
});

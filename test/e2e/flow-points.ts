/**
 * What hurt newcomers, point by point as its list numbers them, in the real VS Code: points of the model editor. Its brothers take
 * what is run (flow-points-runs.ts), what is read (flow-points-pages.ts) and how all of it looks (flow-points-looks.ts). Run by name.
 */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { SCOPE_COLORS } from '../../src/protocol/scope-colors.ts';
import { type Environment, Session, setCurrent } from './lib/session.ts';
import { smallData } from './lib/small-data.ts';
import type { Flow } from './lib/steps.ts';

const LIMIT_MS = 300_000;

export const pointsFlow = (environment: Environment): Flow => ({
  name: 'what hurt newcomers: the editor',
  async run(step) {
    const session = await Session.start(environment, async (workspace) => {
      await smallData(workspace);
      writeFileSync(path.join(workspace, 'notes.md'), '# Notes\n');
    });
    setCurrent(session);
    const { workbench: wb, workspace } = session;
    const view = () => wb.webview();
    const settingsFile = path.join(workspace, '.vscode', 'settings.json');

    await step(
      '1, 18: with a text in front, a double click opens a model; its colours are the theme’s; 5: it is scored',
      async () => {
        await wb.settle();
        await wb.quickOpen('notes.md');
        await wb.run('Explorer: Focus on Folders View');
        await wb.page.locator('.explorer-folders-view .monaco-list-row', { hasText: 'resnet20.pth' }).dblclick();
        await view().getByText('Scored by the size').waitFor({ timeout: LIMIT_MS });
        assert.equal(await wb.tab('resnet20.pth').count(), 1);
        const colors = await view()
          .locator('body')
          .evaluate((body, names) => {
            const probe = body.appendChild(document.createElement('span'));
            const found = names.map((name) => {
              probe.style.color = `var(--vscode-${name.replace('.', '-')})`;
              return getComputedStyle(probe).color;
            });
            probe.remove();
            return found;
          }, SCOPE_COLORS);
        assert.ok(
          colors.every((color) => color !== 'rgb(0, 0, 0)'),
          colors.join(),
        );
        assert.ok(new Set(colors).size > 3, colors.join());
        await session.shot('80-opened');
      },
    );
    await step('2: the slider stays where it is while it is dragged', async () => {
      await wb.showViews();
      const slider = view().locator('.target-slider');
      const before = await slider.boundingBox();
      assert.ok(before);
      const y = before.y + before.height / 2;
      await wb.page.mouse.move(before.x + before.width - 6, y);
      await wb.page.mouse.down();
      for (const share of [0.8, 0.7, 0.6, 0.5]) {
        await wb.page.mouse.move(before.x + before.width * share, y, { steps: 4 });
        await wb.page.waitForTimeout(250);
        assert.deepEqual(await slider.boundingBox(), before, `${share}`);
      }
      await wb.page.mouse.up();
      await view().getByText('reached').first().waitFor();
      assert.equal(await view().locator('.target-tick').count(), 3);
      await session.shot('81-dragged');
    });
    await step('9: MACs by name, FLOPs by a switch, scopes by what they are', async () => {
      await view().getByText('Target (MACs)').first().waitFor();
      await wb.row('Groups', 'residual stream').first().waitFor();
      const macs = await view().locator('.target-reached').innerText();
      mkdirSync(path.dirname(settingsFile), { recursive: true });
      writeFileSync(settingsFile, JSON.stringify({ 'espalier.costs': 'FLOPs' }));
      await view().getByText('Target (FLOPs)').first().waitFor();
      await view().getByText('reached').first().waitFor();
      const flops = await view().locator('.target-reached').innerText();
      const figure = (text: string): number => Number(/[\d.]+/.exec(text)?.[0]);
      assert.ok(Math.abs(figure(flops) / figure(macs) - 2) < 0.02, `${macs}, ${flops}`);
      await session.shot('82-flops');
      writeFileSync(settingsFile, JSON.stringify({}));
      await view().getByText('Target (MACs)').first().waitFor();
    });
    await step('11: "50" is asked about, 2e7 is read', async () => {
      const field = view().locator('.target-text input');
      await field.fill('50');
      await field.press('Enter');
      await view().getByText('Did you mean 50 %?').waitFor();
      await session.shot('83-meant');
      await view().getByText('Did you mean 50 %?').click();
      await view().locator('.target-share', { hasText: '50 %' }).waitFor();
      await field.fill('2e7');
      await field.press('Enter');
      await view().locator('.target-share', { hasText: '49 %' }).waitFor();
    });
    await step('10: a share that stays is fixed for one scope; inspector and tables go and come back', async () => {
      await wb.run('Espalier: Find Layer');
      await view().getByPlaceholder('name or type').first().fill('layer1.0.conv1');
      await wb.page.keyboard.press('Enter');
      const keep = view().locator('.keep-slider').first();
      await keep.waitFor();
      await keep.scrollIntoViewIfNeeded();
      await keep.focus();
      await wb.page.keyboard.press('End');
      await view().getByText('fixed: free it again').waitFor();
      await view().locator('.keep output', { hasText: '100 %' }).waitFor();
      await session.shot('84-fixed');
      await view().getByText('fixed: free it again').click();
      await view().getByText('as the target needs').first().waitFor();
      for (const [part, shown] of [
        ['Inspector', '.inspector'],
        ['Tables', '.panel'],
      ] as const) {
        const toggle = view().locator(`vscode-button[aria-label="${part}: show or hide"]`);
        await toggle.click();
        await view().locator(shown).waitFor({ state: 'hidden' });
        await toggle.click();
        await view().locator(shown).waitFor();
      }
    });
    await step('16: ? shows the keys of the graph', async () => {
      await view().getByRole('tree', { name: 'Model graph' }).first().focus();
      await wb.page.keyboard.press('?');
      await view().getByText('Keys of the graph').waitFor();
      await session.shot('85-keys');
      await wb.page.keyboard.press('Escape');
    });
    await step('prunes: one notification, and the pruned model in the list', async () => {
      await wb.run('Espalier: Prune Model');
      await wb.answerPath(path.join(workspace, 'half.safetensors'));
      await wb.notification('Saved').waitFor({ timeout: LIMIT_MS });
      await wb.row('Models', 'half.safetensors').waitFor({ timeout: LIMIT_MS });
      assert.equal(await wb.page.locator('.notifications-toasts .notification-list-item').count(), 1);
      await wb.clearNotifications();
    });
    await step('sensitivity: a heat map on graph and table, a group’s curve, and the target spread by it', async () => {
      await wb.run('Espalier: Select Data Set');
      await wb.answerPath(path.join(workspace, 'images'));
      await wb.tab('Data set images').waitFor();
      await wb.tab('resnet20.pth').click();
      const before = await view().locator('.target-reached').innerText();
      await view().locator('.spread vscode-dropdown').click();
      await view().getByRole('option', { name: 'by sensitivity' }).click();
      await wb.answer('64');
      await wb.row('Runs', 'Measuring sensitivity').filter({ hasText: '64 images' }).waitFor({ timeout: LIMIT_MS });
      await view().locator('.error-curve').first().waitFor();
      assert.equal(
        await view()
          .locator('.spread vscode-dropdown')
          .evaluate((box) => (box as HTMLSelectElement).value),
        'sensitivity',
      );
      await view().getByText('decided by sensitivity').first().waitFor();
      await view().locator('summary', { hasText: 'Legend' }).click();
      await session.shot('93-sensitivity');
      await view().locator('.legend').getByText('Scores', { exact: true }).click();
      await session.shot('94-scores');
      await view().locator('summary', { hasText: 'Legend' }).click();
      const slider = view().locator('.target-slider');
      await slider.focus();
      for (let i = 0; i < 5; i++) await wb.page.keyboard.press('PageUp');
      await wb.page.waitForTimeout(1500);
      assert.notEqual(await view().locator('.target-reached').innerText(), before, 'the preview follows the slider');
      await wb.clearNotifications();
    });
    await step('nothing unexpected in the console, and no other host was asked', async () => {
      assert.deepEqual(wb.errors, []);
      assert.deepEqual(wb.foreignRequests, []);
    });
    await session.stop();
    setCurrent(undefined);
  },
});

/**
 * What hurt newcomers, point by point as its list numbers them, in the real VS Code: with pictures to look at, in dark, light and high
 * contrast, 1280 × 800 and 320 pixels wide. Run by name.
 */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import type axe from 'axe-core';
import { SCOPE_COLORS } from '../../src/protocol/scope-colors.ts';
import { type Environment, Session, setCurrent } from './lib/session.ts';
import { smallData } from './lib/small-data.ts';
import type { Flow } from './lib/steps.ts';

const LIMIT_MS = 300_000;
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const THEMES = { dark: 'Dark Modern', light: 'Light Modern', contrast: 'Dark High Contrast' } as const;
const WIDE = { width: 1280, height: 800 };
/** 320 pixels for the view, side bar closed. */
const NARROW = { width: 368, height: 800 };

export const pointsFlow = (environment: Environment): Flow => ({
  name: 'what hurt newcomers, point by point',
  async run(step) {
    const session = await Session.start(environment, async (workspace) => {
      await smallData(workspace);
      writeFileSync(path.join(workspace, 'notes.md'), '# Notes\n');
    });
    setCurrent(session);
    const { workbench: wb, workspace } = session;
    const view = () => wb.webview();
    const settingsFile = path.join(workspace, '.vscode', 'settings.json');
    const rows = (text: string) => wb.quickInput.locator('.monaco-list-row', { hasText: text });

    await step(
      '1, 18: with a text in front, a double click opens a model; its colours are the theme’s; 5: it is scored',
      async () => {
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
      await wb.run('Preferences: Open Workspace Settings (JSON)');
      await wb.tab('settings.json').waitFor();
      writeFileSync(settingsFile, JSON.stringify({ 'espalier.costs': 'FLOPs' }));
      await wb.tab('resnet20.pth').click();
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
      await view().getByText('50 %').first().waitFor();
      await field.fill('2e7');
      await field.press('Enter');
      await view().getByText('49 %').first().waitFor();
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
      for (const part of ['Inspector', 'Tables']) {
        const toggle = view().locator(`vscode-button[aria-label="${part}: show or hide"]`);
        await toggle.click();
        await toggle.click();
      }
      await view().locator('.inspector').waitFor();
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
      await wb.row('Models', 'half.safetensors').waitFor({ timeout: LIMIT_MS });
      await wb.page.waitForTimeout(1000);
      assert.ok((await wb.page.locator('.notifications-toasts .notification-list-item').count()) <= 1);
      await wb.clearNotifications();
    });
    await step('4: progress of a scoring never runs back', async () => {
      await wb.run('Espalier: Select Data Set');
      await wb.answerPath(path.join(workspace, 'images'));
      await wb.tab('Data set images').waitFor();
      await wb.tab('resnet20.pth').click();
      await wb.run('Espalier: Score Channels');
      await wb.pick('Taylor');
      await wb.answer('6');
      const seen: number[] = [];
      for (const end = Date.now() + LIMIT_MS; Date.now() < end; ) {
        const text =
          (await wb
            .status(/Scoring|TensorFlow|ONNX/)
            .first()
            .textContent()) ?? '';
        const percent = /(\d+) %/.exec(text)?.[1];
        if (percent) seen.push(Number(percent));
        if (await view().getByText('Taylor, 6 batches').first().isVisible()) break;
        await wb.page.waitForTimeout(100);
      }
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
      writeFileSync(file, JSON.stringify(wrong, null, 2));
      await wb
        .status(/2/)
        .filter({ has: wb.page.locator('.codicon-error, .codicon-warning') })
        .first()
        .waitFor();
      await session.shot('87-faults');
      const right = { ...settings, flags: { ...settings.flags, epochs: 3, 'batch-size': 32 } };
      writeFileSync(file, JSON.stringify(right, null, 2));
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
          await finetuned.locator('input[type=checkbox], .monaco-checkbox.checked, [aria-checked=true]').count(),
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
        const name = wb.quickInput.locator('input.input');
        await name.waitFor();
        await wb.page.waitForTimeout(500);
        assert.match(await name.inputValue(), /\/[A-Za-z_]\w*\.py$/);
        await wb.page.keyboard.press('Escape');
        await wb.clearNotifications();
      },
    );
    await step('the trade-off is explored, and its report opens with its picture', async () => {
      await wb.tab('resnet20.pth').click();
      await wb.run('Espalier: Explore Trade-off');
      await wb.answer('50%');
      await wb.tab(/Preview frontier\.md/).waitFor({ timeout: LIMIT_MS });
      await wb.row('Runs', 'Exploring the trade-off').filter({ hasText: '5 networks measured' }).waitFor();
      await wb.page.waitForTimeout(1500);
      await session.shot('92-trade-off');
      await wb.run('View: Close Editor');
    });
    await step('14: the walkthrough has a name and ticks what was done', async () => {
      await wb.run('Espalier: Prune Your First Model');
      const ticked = wb.page.locator('.gettingStartedContainer .codicon-getting-started-step-checked');
      await wb.page.locator('.gettingStartedContainer .getting-started-step').first().waitFor();
      for (let i = 0; i < 50 && (await ticked.count()) < 4; i++) await wb.page.waitForTimeout(100);
      assert.ok((await ticked.count()) >= 4);
      await wb
        .tab(/Prune Your First Model|Walkthrough/)
        .first()
        .waitFor();
      await session.shot('90-walkthrough');
      await wb.run('View: Close Editor');
    });
    await step('15: the page in the extensions view has its pictures', async () => {
      await wb.run('Extensions: Show Installed Extensions');
      await wb.page.locator('.extensions-viewlet .monaco-list-row', { hasText: 'Espalier' }).first().click();
      await wb.page.locator('.extension-editor .name', { hasText: 'Espalier' }).waitFor();
      await wb.page.waitForTimeout(1500);
      await session.shot('91-page');
      await wb.run('View: Close Editor');
      await wb.showViews();
    });

    const tabs = {
      'resnet20.pth': 'layer1',
      'the first try': 'Learning rate',
      'Compare Models': 'Accuracy over MACs',
      'Data set images': 'First images',
    } as const;
    for (const [name, theme] of Object.entries(THEMES))
      await step(`13: axe-core finds nothing in ${theme}; nothing is cut off at 320 pixels`, async () => {
        await wb.theme(theme);
        for (const [size, viewport] of Object.entries({ wide: WIDE, narrow: NARROW })) {
          await wb.page.setViewportSize(viewport);
          if (size === 'narrow') await wb.run('View: Close Primary Side Bar').catch(() => undefined);
          for (const [tab, content] of Object.entries(tabs)) {
            await wb.tab(tab).first().click();
            await view().getByText(content).first().waitFor();
            await wb.page.waitForTimeout(400);
            await session.shot(`points-${tab.split(/[ .]/)[0].toLowerCase()}-${name}-${size}`);
            assert.deepEqual(await violations(), [], `${tab}, ${theme}, ${size}`);
            const { scroll, client } = await view()
              .locator('html')
              .evaluate((html) => ({ scroll: html.scrollWidth, client: html.clientWidth }));
            assert.ok(scroll <= client + 1, `${tab} is ${scroll} px wide in ${client} px`);
          }
        }
        await wb.page.setViewportSize(WIDE);
        await wb.showViews();
      });

    /** What axe-core finds in the webview in front, in words. */
    async function violations(): Promise<readonly string[]> {
      const html = await view().locator('html').elementHandle();
      const frame = await html?.ownerFrame();
      assert.ok(frame);
      await frame.evaluate(AXE);
      return frame.evaluate(async () => {
        const { axe: checker } = window as unknown as { axe: typeof axe };
        const { violations: all, passes } = await checker.run(document, {
          runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'],
          resultTypes: ['violations', 'passes'],
        });
        if (passes.length === 0) return ['axe looked at nothing'];
        return all.flatMap(({ id, nodes }) =>
          nodes.map(({ target, failureSummary }) => `${id} ${target.join(' ')}: ${failureSummary}`),
        );
      });
    }

    await step('nothing unexpected in the console, and no other host was asked', async () => {
      assert.deepEqual(wb.errors, []);
      assert.deepEqual(wb.foreignRequests, []);
    });
    await session.stop();
    setCurrent(undefined);
  },
});

/**
 * From a double click on the sample to a first pruned model, with the backend that comes along: what a hand has to do, and how long it
 * takes (printed: it depends on the machine). Run by name.
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { type Environment, Session, setCurrent } from './lib/session.ts';
import { smallData } from './lib/small-data.ts';
import type { Flow } from './lib/steps.ts';

const LIMIT_MS = 300_000;

export const pointsFirstFlow = (environment: Environment): Flow => ({
  name: 'what hurt newcomers: the first pruned model',
  async run(step) {
    const session = await Session.start(environment, async (workspace) => void (await smallData(workspace)), {
      settings: { 'espalier.backend': 'embedded' },
    });
    setCurrent(session);
    const { workbench: wb, workspace } = session;
    const view = () => wb.webview();

    await step('a double click, Prune, Enter for the target, the file: four clicks are enough', async () => {
      await wb.run('Explorer: Focus on Folders View');
      const file = wb.page.locator('.explorer-folders-view .monaco-list-row', { hasText: 'resnet20.pth' });
      await file.waitFor();
      await wb.settle();
      const began = performance.now();
      await file.dblclick();
      await view().getByRole('button', { name: 'Prune', exact: true }).click({ timeout: LIMIT_MS });
      await wb.quickInput.getByText('MACs of one image').waitFor();
      assert.equal(await wb.quickInput.locator('input.input').inputValue(), '50%');
      await wb.page.keyboard.press('Enter');
      const accept = wb.quickInput.locator('.quick-input-action .monaco-button').filter({ visible: true }).first();
      await accept.waitFor();
      const written = path.join(workspace, 'resnet20-50pct.safetensors');
      await wb.page.waitForFunction(
        ([selector, name]) => (document.querySelector(selector) as HTMLInputElement | null)?.value.endsWith(name),
        ['.quick-input-widget input.input', path.basename(written)] as const,
      );
      await accept.click();
      await wb.notification('Saved').waitFor({ timeout: LIMIT_MS });
      console.log(`       ${((performance.now() - began) / 1000).toFixed(1)} s`);
      assert.ok(existsSync(written));
      assert.equal(await wb.page.locator('.notifications-toasts .notification-list-item').count(), 1);
      await session.shot('79-first-pruned');
    });
    await step('the backend that comes along has computed', async () => {
      await wb.page.locator('.statusbar-item', { hasText: /ONNX Runtime/ }).waitFor();
    });
    await session.stop();
    setCurrent(undefined);
  },
});

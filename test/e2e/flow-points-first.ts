/**
 * From a double click on the sample to a first pruned model, with the backend that comes along: how often a hand is needed, and how
 * long it takes (printed: it depends on the machine). Run by name.
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { type Environment, Session, setCurrent } from './lib/session.ts';
import { smallData } from './lib/small-data.ts';
import type { Flow } from './lib/steps.ts';

const MOST_CLICKS = 5;
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

    await step('a double click, Prune, the target, the file: at most five clicks', async () => {
      await wb.run('Explorer: Focus on Folders View');
      const file = wb.page.locator('.explorer-folders-view .monaco-list-row', { hasText: 'resnet20.pth' });
      await file.waitFor();
      await wb.settle();
      let clicks = 0;
      const did = async (act: Promise<unknown>): Promise<void> => {
        clicks++;
        await act;
      };
      const began = performance.now();
      await did(file.dblclick());
      await did(view().getByRole('button', { name: 'Prune', exact: true }).click({ timeout: LIMIT_MS }));
      await wb.quickInput.getByText('MACs of one image').waitFor();
      assert.equal(await wb.quickInput.locator('input.input').inputValue(), '50%');
      await did(wb.page.keyboard.press('Enter'));
      const accept = wb.quickInput.locator('.quick-input-action .monaco-button').filter({ visible: true }).first();
      await accept.waitFor();
      const written = path.join(workspace, 'resnet20-50pct.safetensors');
      await wb.page.waitForFunction(
        ([selector, name]) => (document.querySelector(selector) as HTMLInputElement | null)?.value.endsWith(name),
        ['.quick-input-widget input.input', path.basename(written)] as const,
      );
      await did(accept.click());
      await wb.notification('Saved').waitFor({ timeout: LIMIT_MS });
      const seconds = (performance.now() - began) / 1000;
      console.log(`       ${clicks} clicks, ${seconds.toFixed(1)} s`);
      assert.ok(clicks <= MOST_CLICKS);
      assert.ok(existsSync(written));
      assert.equal(await wb.page.locator('.notifications-toasts .notification-list-item').count(), 1);
      await session.shot('79-first-pruned');
    });
    await session.stop();
    setCurrent(undefined);
  },
});

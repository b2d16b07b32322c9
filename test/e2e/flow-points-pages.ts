/** What hurt newcomers, in the real VS Code: the trade-off’s report, the walkthrough, the extension’s page. Run by name. */
import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import { pruneHalf } from './lib/pruned-model.ts';
import { type Environment, Session, serverRoot, setCurrent } from './lib/session.ts';
import { smallData } from './lib/small-data.ts';
import type { Flow } from './lib/steps.ts';

const LIMIT_MS = 300_000;

export const pointsPagesFlow = (environment: Environment): Flow => ({
  name: 'what hurt newcomers: what is read',
  async run(step) {
    const session = await Session.start(environment, async (workspace) => void (await smallData(workspace)));
    setCurrent(session);
    const { workbench: wb, workspace } = session;

    await step('a pruned model, and images', () => pruneHalf(session));
    await step('14: the walkthrough has a name and ticks what was done', async () => {
      await wb.run('Espalier: Prune Your First Model');
      const ticked = wb.page.locator('.gettingStartedContainer .codicon-getting-started-step-checked');
      await wb.page.locator('.gettingStartedContainer .getting-started-step').first().waitFor();
      // Opened, planned and pruned; nobody has created the sample.
      await ticked.nth(2).waitFor();
      assert.equal(await ticked.count(), 3);
      // The newest VS Code calls the tab of every walkthrough so that a command opens.
      await wb
        .tab(serverRoot().includes('code-server-4.139') ? 'Welcome' : 'Walkthrough: ')
        .first()
        .waitFor();
      await session.shot('90-walkthrough');
      await wb.run('View: Close Editor');
    });
    await step('15: the page in the extensions view opens; its pictures are looked at', async () => {
      await wb.run('View: Show Extensions');
      await wb.page.locator('.extensions-viewlet .monaco-list-row', { hasText: 'Espalier' }).first().click();
      await wb.page.locator('.extension-editor .name', { hasText: 'Espalier' }).waitFor();
      await wb.page.waitForTimeout(1500);
      await session.shot('91-page');
      await wb.run('View: Close Editor');
      await wb.showViews();
    });

    await step('the trade-off is explored, and its report opens; its picture is looked at', async () => {
      await wb.tab('resnet20.pth').click();
      await wb.run('Espalier: Explore Trade-off');
      await wb.answer('50%');
      const told = wb.notification('Exploring the trade-off');
      await told.waitFor({ timeout: LIMIT_MS });
      assert.equal(await wb.tab(/Preview frontier\.md/).count(), 0, 'a report comes to the front by itself');
      await told.getByRole('button', { name: 'Open Report' }).click();
      await wb.tab(/Preview frontier\.md/).waitFor();
      await wb.row('Runs', 'Exploring the trade-off').filter({ hasText: '5 networks measured' }).waitFor();
      await wb.page.waitForTimeout(1500);
      await session.shot('92-trade-off');
      await wb.run('View: Close Editor');
    });
    await step(
      'a network of the trade-off is chosen in its page’s picture, and the model opens with its plan',
      async () => {
        await wb.row('Runs', 'Exploring the trade-off').click();
        const page = wb.webview();
        await page
          .getByRole('button', { name: /^repaired, by sensitivity and reconstruction, 50%: / })
          .first()
          .click();
        await session.shot('92-trade-off-page');
        await page.getByRole('button', { name: 'Take this plan' }).click();
        await wb
          .webview()
          .locator('.target-reached')
          .getByText(/reached · plan \S+-reconstruction-50\.json/)
          .waitFor();
        await session.shot('92-trade-off-plan');
      },
    );
    await step('8: models of one name are told apart in their tabs and in the list', async () => {
      const entries = wb.row('Models', 'same.pth');
      for (const [i, folder] of ['first', 'second'].entries()) {
        const file = path.join(workspace, folder, 'same.pth');
        mkdirSync(path.dirname(file));
        copyFileSync(path.join(workspace, 'resnet20.pth'), file);
        await wb.run('Espalier: Load Checkpoint');
        await wb.pick('Browse');
        await wb.answerPath(file);
        await entries.nth(i).waitFor();
      }
      await entries.filter({ hasText: 'second' }).waitFor();
      await session.shot('93-one-title');
      for (const named of [entries, wb.tab('same.pth')]) {
        const texts = await named.allInnerTexts();
        assert.equal(texts.length, 2);
        assert.equal(new Set(texts).size, 2, texts.join(', '));
      }
    });
    await step('nothing unexpected in the console, and no other host was asked', async () => {
      assert.deepEqual(wb.errors, []);
      assert.deepEqual(wb.foreignRequests, []);
    });
    await session.stop();
    setCurrent(undefined);
  },
});

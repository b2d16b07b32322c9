/** Checkpoints and images that nobody here made, where they are present. */
import assert from 'node:assert/strict';
import { copyFileSync, existsSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import { type Environment, Session, setCurrent, shared } from './lib/session.ts';
import type { Flow } from './lib/steps.ts';

const LIMIT_MS = 300_000;
const checkpoints = path.join(shared, 'data', 'checkpoints');

export const sharedFlow = (environment: Environment): Flow => ({
  name: 'published checkpoints and CIFAR-10',
  skip: existsSync(checkpoints) ? undefined : 'no ../shared/data',
  async run(step) {
    const session = await Session.start(environment, (workspace) => {
      for (const name of ['resnet20-12fca82f.th', 'deit_0.6G.module.pth', 'mobilenet_v2_0.15G.train.pth'])
        copyFileSync(path.join(checkpoints, name), path.join(workspace, name));
      symlinkSync(path.join(shared, 'data', 'cifar10'), path.join(workspace, 'cifar10'));
    });
    setCurrent(session);
    const { workbench: wb, workspace } = session;
    const view = () => wb.webview();

    await step('a right click in the Explorer opens a checkpoint', async () => {
      const file = wb.page.locator('.explorer-folders-view .monaco-list-row', { hasText: 'deit_0.6G.module.pth' });
      await file.waitFor();
      await wb.contextMenu(file, 'Open in Espalier');
      await wb.tab('deit_0.6G.module.pth').waitFor();
      await view().getByText('Scored by the size').waitFor();
      await session.shot('30-deit');
    });
    await step('heads and widths of the whole pickled module are known', async () => {
      await wb.showViews();
      // 622,269,592 MACs as the paper counts, 3.08 M parameters.
      await wb.row('Models', 'deit_0.6G').filter({ hasText: '622.3 M · 3.08 M' }).waitFor();
    });
    await step('a transformer is scored, planned and pruned: channels, heads and head dims', async () => {
      await wb.run('Espalier: Score Channels');
      await wb.pick('L2');
      await view().getByText('Scored with L2').first().waitFor({ timeout: LIMIT_MS });
      await wb.run('Espalier: Set FLOP Target');
      await wb.answer('60%');
      await view().getByText('reached').first().waitFor();
      await wb.run('Espalier: Find Layer');
      const field = view().getByPlaceholder('name or type').first();
      await field.fill('blocks.3.attn.qkv');
      await field.press('Enter');
      await view().locator('h2', { hasText: 'blocks.3.attn.qkv' }).waitFor();
      await wb.page.waitForTimeout(700);
      await session.shot('33-deit-planned');
      const file = path.join(workspace, 'deit-60.safetensors');
      await wb.run('Espalier: Prune Model');
      await wb.answerPath(file);
      await wb.notification('Saved').waitFor({ timeout: LIMIT_MS });
      await session.shot('34-deit-pruned');
      // At most 60 % of 622.27 M.
      await wb
        .row('Models', 'deit-60.safetensors')
        .filter({ hasText: /37[23]\.\d M/ })
        .waitFor();
      assert.ok(existsSync(file));
      await wb.clearNotifications();
    });
    await step('a training checkpoint opens', async () => {
      await wb.run('Espalier: Load Checkpoint');
      await wb.pick('mobilenet_v2_0.15G.train.pth');
      await wb.tab('mobilenet_v2_0.15G.train.pth').waitFor();
      await view().getByText('Scored by the size').waitFor();
      await session.shot('31-mobilenet');
    });
    await step('ResNet-20 on the 2,000 CIFAR images: 1,627 right', async () => {
      await wb.run('Espalier: Select Data Set');
      await wb.answerPath(path.join(workspace, 'cifar10'));
      await wb.tab('Data set cifar10').waitFor();
      // It takes the keyboard when it is drawn, which would close a list that is open by then.
      await view().locator('img').first().waitFor();
      await wb.choose('Espalier: Load Checkpoint', 'resnet20-12fca82f.th');
      await wb.tab('resnet20-12fca82f.th').waitFor();
      await view().getByText('Scored by the size').waitFor();
      await wb.run('Espalier: Evaluate');
      await wb.quickInput.getByText('OK', { exact: true }).click();
      await wb.tab('Compare Models').waitFor({ timeout: LIMIT_MS });
      await view().locator('tbody tr', { hasText: 'resnet20' }).getByText('81.35 %').waitFor({ timeout: LIMIT_MS });
      assert.match((await view().locator('tbody tr').first().textContent()) ?? '', /2,000 images/);
    });
    await step('the large networks open; how fast is said', async () => {
      for (const name of ['deit_base_patch16_224', 'resnet152', 'swin_base_patch4_window7_224', 'densenet121']) {
        const begin = Date.now();
        await wb.choose('Espalier: Open Model Without Weights', name);
        await wb.tab(name).waitFor();
        await view().getByText('no weights').first().waitFor();
        console.log(`       ${name}: ${Date.now() - begin} ms from the palette to the picture`);
      }
      await session.shot('32-densenet');
    });
    await session.stop();
    setCurrent(undefined);
  },
});

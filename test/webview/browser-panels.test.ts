import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { TargetWish } from '../../src/protocol/graph-editor.ts';
import { graphViewOf } from '../../src/worker/graph-view.ts';
import { openBrowser } from './harness/browser.ts';
import { noChromium } from './harness/chromium.ts';
import { EditorPage } from './harness/page.ts';

describe('controls, inspector and tables in a browser', { skip: noChromium }, () => {
  const opened = openBrowser();
  const open = async (options?: Parameters<typeof EditorPage.open>[1]): Promise<EditorPage> => {
    const editor = await EditorPage.open(opened, options);
    await editor.drawn();
    return editor;
  };
  const target = (editor: EditorPage) => editor.page.getByRole('textbox', { name: 'Target (MACs) as text' });
  const macsOf = (asked: { readonly wish: TargetWish } | undefined): number =>
    asked && 'macs' in asked.wish ? asked.wish.macs : assert.fail('no MACs were asked for');
  const reached = (editor: EditorPage) => editor.page.locator('.target-reached');
  const ask = async (editor: EditorPage, text: string): Promise<void> => {
    await target(editor).fill(text);
    await target(editor).press('Enter');
  };

  test('slider and text are one value; what is reached stands beside what was asked', async () => {
    const editor = await open();
    await ask(editor, '50%');
    await reached(editor).getByText('2.06 G reached').waitFor();
    const slider = editor.page.getByRole('slider', { name: 'Target (MACs)' });
    assert.equal(await slider.inputValue(), '500');
    assert.equal(await slider.getAttribute('aria-valuetext'), '2.06 G, 50 %');
    await slider.focus();
    await slider.press('ArrowLeft');
    await editor.page.waitForTimeout(300);
    const asked = editor.sent('graph/target');
    assert.ok(asked.length >= 2 && macsOf(asked.at(-1)) < macsOf(asked[0]));
    assert.deepEqual(
      asked.map(({ seq }) => seq),
      asked.map((_, i) => i + 1),
    );
    await editor.close();
  });

  test('while the slider moves, requests wait for their answers and the newest is answered', async () => {
    const editor = await open();
    await editor.page.evaluate(async () => {
      const slider = document.querySelector('.target-slider') as HTMLInputElement;
      for (let value = 900; value >= 300; value -= 10) {
        slider.value = String(value);
        slider.dispatchEvent(new Event('input'));
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    });
    await editor.page.waitForFunction(() => !document.querySelector('.target-reached')?.classList.contains('stale'));
    const asked = editor.sent('graph/target');
    assert.ok(asked.length < 55, `${asked.length} requests for 61 positions`);
    assert.equal(macsOf(asked.at(-1)), 0.3 * opened.model.state.view!.cost.macs);
    assert.equal(await editor.page.locator('.target-share').textContent(), '30 %');
    await editor.close();
  });

  test('says why it cannot be lower, and what a target looks like', async () => {
    const range = { min: 0.31e9, max: 4.1e9, reason: 'the classifier and 4 pinned layers need it' };
    const editor = await open({ state: { range } });
    const note = editor.page.locator('.target-note');
    await ask(editor, '0.1G');
    await note.getByText('cannot be lower than 310.0 M: the classifier and 4 pinned layers need it').waitFor();
    assert.equal(macsOf(editor.sent('graph/target').at(-1)), 0.31e9);
    await ask(editor, 'half');
    await note.getByText('"half" is no target: write 2.05G, 4200M, 50% or -30%.').waitFor();
    const before = editor.sent('graph/target').length;
    await ask(editor, '50');
    await note.getByRole('button', { name: 'Did you mean 50 %?' }).waitFor();
    assert.equal(editor.sent('graph/target').length, before, 'nothing is asked before the answer');
    await editor.page.keyboard.press('Enter');
    await reached(editor).getByText('2.06 G reached').waitFor();
    assert.equal(await note.isVisible(), false);
    await editor.close();
  });

  test('a plan that no longer fits is marked stale, one that failed says why', async () => {
    const editor = await open();
    await ask(editor, '50%');
    await reached(editor).getByText('2.06 G reached').waitFor();
    await editor.send('graph/update', { planStale: true });
    await reached(editor).getByText('(stale)').waitFor();
    await editor.page.getByText('The plan shown is from before the last change').waitFor();
    editor.refusal = 'no group may shrink';
    await ask(editor, '40%');
    await editor.page.locator('.target-note').getByText('no group may shrink').waitFor();
    await editor.close();
  });

  test('what to do next is said, and done with a button', async () => {
    const editor = await open({ state: { scores: null } });
    await editor.page.getByText('Not scored yet: widths are planned by ratio alone').waitFor();
    await editor.page.getByRole('button', { name: 'Score Channels…' }).click();
    assert.deepEqual(editor.sent('graph/run'), ['score']);
    const task = {
      title: 'Scoring channels',
      cancellable: true,
      progress: { phase: 'score', done: 10, total: 50, message: '412 images/s', eta: 130 },
    };
    await editor.send('graph/update', { task });
    await editor.page.getByText('Scoring channels · 20 % · 412 images/s · 2 min left').waitFor();
    assert.equal(await editor.page.getByRole('progressbar').getAttribute('aria-valuenow'), '20');
    await editor.page.getByRole('button', { name: 'Stop' }).click();
    assert.deepEqual(editor.sent('graph/run'), ['score', 'cancel']);
    await editor.close();
  });

  test('nothing runs where nothing may run, and the reason is said', async () => {
    const why = 'This workspace is not trusted: models can be looked at, nothing is run.';
    const editor = await open({ state: { cannotRun: why } });
    await editor.page.getByText(why).waitFor();
    for (const name of ['Score…', 'Prune', 'Finetune…', 'Evaluate…'])
      assert.equal(await editor.page.locator('.top-bar vscode-button', { hasText: name }).getAttribute('title'), why);
    await editor.page.locator('.top-bar vscode-button', { hasText: 'Score…' }).click({ force: true });
    assert.deepEqual(editor.sent('graph/run'), []);
    await editor.close();
  });

  test('the inspector shows the layer, its group and scope, pins it, and gets statistics when asked', async () => {
    const editor = await open();
    await ask(editor, '50%');
    await reached(editor).getByText('reached').waitFor();
    await editor.send('graph/select', { nodes: ['layer1.1.conv2'], scope: null, reveal: true });
    const inspector = editor.page.getByRole('complementary', { name: 'Inspector' });
    await inspector
      .getByText(/^64 → \d+$/)
      .first()
      .waitFor();
    await inspector.getByText('64 channels, tied to 1 other layer').waitFor();
    await inspector.getByRole('img', { name: /Scores of block inside, this group in front; channels up to/ }).waitFor();
    await inspector.getByRole('checkbox', { name: 'pin outputs' }).click();
    assert.deepEqual(editor.sent('graph/pin'), [{ layer: 'layer1.1.conv2', side: 'out', pinned: true }]);
    await inspector.getByRole('button', { name: 'Statistics of the values' }).click();
    assert.deepEqual(editor.sent('graph/details'), [{ node: 'layer1.1.conv2' }]);
    const statistics = [{ name: 'layer1.1.conv2.weight', min: -0.5, max: 0.25, mean: 0.001, std: 0.03, zeros: 0.1 }];
    await editor.send('graph/details', { node: 'layer1.1.conv2', details: { statistics }, problem: '' });
    await inspector.getByText('min -0.5, max 0.25, mean 0.001, std 0.03, 10 % zeros').waitFor();
    await inspector.getByRole('radio', { name: 'inputs' }).click();
    await inspector.getByRole('button', { name: 'layer1.1.conv1.out' }).click();
    await editor.page.getByRole('heading', { name: 'layer1.1.conv1' }).waitFor();
    assert.equal(editor.sent('graph/selected').at(-1)!.nodes[0], 'layer1.1.conv1');
    await editor.close();
  });

  test('options go to the host; what cannot be read is said', async () => {
    const editor = await open();
    await editor.page.locator('vscode-button[aria-label="Plan options"]').click();
    const round = editor.page.getByRole('textbox', { name: 'Round widths to' });
    await round.fill('8');
    await round.press('Enter');
    const heads = editor.page.getByRole('textbox', { name: 'Heads to remove' });
    await heads.fill('25%');
    await heads.press('Enter');
    await heads.fill('lots');
    await heads.press('Enter');
    await editor.page.getByText('Heads to remove: 0 to 1; empty: as the target needs.').waitFor();
    await editor.send('graph/update', { settings: { ...opened.model.state.settings, headRatio: 0.25 } });
    await heads.fill('');
    await heads.press('Enter');
    assert.deepEqual(editor.sent('graph/settings'), [{ roundTo: 8 }, { headRatio: 0.25 }, { headRatio: null }]);
    await editor.close();
  });

  test('tables sort, follow the selection, choose by keyboard, and draw only what is on screen', async () => {
    const editor = await open();
    const grid = editor.page.getByRole('grid', { name: 'Layers' });
    assert.equal(await grid.getAttribute('aria-rowcount'), '55');
    assert.ok((await grid.getByRole('row').count()) < 30);
    await grid.getByRole('button', { name: 'MACs' }).click();
    assert.equal(await grid.getByRole('columnheader', { name: 'MACs' }).getAttribute('aria-sort'), 'descending');
    const counts = await grid
      .locator('.grid-row')
      .evaluateAll((rows) => rows.slice(0, 8).map((row) => Number.parseFloat(row.children[6].textContent ?? '')));
    assert.ok(counts.length === 8 && counts.every((count) => count > 0) && counts[0] > counts[7], counts.join());
    assert.deepEqual(
      counts,
      [...counts].sort((a, b) => b - a),
    );
    await grid.focus();
    await editor.page.keyboard.press('End');
    await editor.page.keyboard.press('Home');
    await editor.page.keyboard.press('ArrowDown');
    await editor.page.keyboard.press('Enter');
    const chosen = editor.sent('graph/selected').at(-1)!.nodes[0];
    await editor.page.getByRole('heading', { name: chosen }).waitFor();
    await editor.page.getByRole('tab', { name: 'Scopes' }).click();
    assert.ok((await editor.page.getByRole('grid', { name: 'Scopes' }).locator('.grid-row.selected').count()) >= 1);
    await editor.page.getByRole('grid', { name: 'Scopes' }).locator('.grid-row').nth(1).click();
    assert.deepEqual(editor.sent('graph/selected').at(-1), { nodes: [], scope: 1 });
    await editor.close();
  });

  test('the plan as text is fetched when it is looked at', async () => {
    const editor = await open();
    await editor.page.getByRole('tab', { name: 'Plan (text)' }).click();
    await editor.page.getByText('No plan yet. Set a target, and what stays').waitFor();
    await ask(editor, '50%');
    await editor.page.getByText(/^plan for resnet50/).waitFor();
    await editor.close();
  });

  test('dense and pruned stand side by side and move in step; the written model takes the plan’s place', async () => {
    const editor = await open();
    await editor.page.getByRole('radio', { name: 'Split' }).click();
    await editor.page.getByText('No plan yet. Set a target: what is left').waitFor();
    await ask(editor, '50%');
    await editor.page.getByText('No plan yet. Set a target: what is left').waitFor({ state: 'hidden' });
    const pixels = () =>
      editor.page.evaluate(() =>
        [...document.querySelectorAll('canvas')].map((canvas) => {
          const { data } = canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height);
          let sum = 0;
          for (let i = 0; i < data.length; i += 4) sum = (sum * 31 + data[i] + 256 * data[i + 1]) | 0;
          return sum;
        }),
      );
    await editor.page.waitForTimeout(200);
    const [dense, pruned] = await pixels();
    assert.notEqual(dense, pruned);
    await editor.page.locator('.pane-pruned canvas').hover();
    await editor.page.mouse.wheel(0, 120);
    await editor.page.waitForTimeout(200);
    const moved = await pixels();
    assert.ok(moved[0] !== dense && moved[1] !== pruned);
    const written = graphViewOf(opened.model.prune(opened.model.state.view!.cost.macs / 2));
    await editor.send('graph/update', { pruned: written });
    for (let waited = 0; (await pixels())[1] === moved[1] && waited < 8000; waited += 200)
      await editor.page.waitForTimeout(200);
    assert.notEqual((await pixels())[1], moved[1], 'the file is drawn, not the plan');
    await editor.close();
  });

  test('the menu opens by keyboard, stays on the page, and closes with Escape', async () => {
    const editor = await open({ width: 320, height: 700 });
    await editor.page.getByRole('button', { name: 'More' }).focus();
    await editor.page.keyboard.press('Enter');
    const menu = editor.page.getByRole('menu');
    const box = (await menu.boundingBox())!;
    assert.ok(box.x >= 0 && box.x + box.width <= 320 && box.y >= 0 && box.y + box.height <= 700, JSON.stringify(box));
    await editor.page.keyboard.press('ArrowDown');
    await editor.page.keyboard.press('Escape');
    await menu.waitFor({ state: 'hidden' });
    await editor.close();
  });
});

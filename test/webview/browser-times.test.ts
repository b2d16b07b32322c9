/** The target in milliseconds, as the model editor shows it and asks for it. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, test } from 'node:test';
import type { GraphEditorState } from '../../src/protocol/graph-editor.ts';
import { OUT, openBrowser } from './harness/browser.ts';
import { noChromium } from './harness/chromium.ts';
import { EditorPage } from './harness/page.ts';

const LATENCY = {
  key: 'k',
  where: 'host, CPU, 2 cores; ONNX Runtime, 2 threads, batch 1',
  roundTo: 2,
  dense: 12,
  error: 0.04,
  heldOut: 4,
};

describe('the target in milliseconds', { skip: noChromium }, () => {
  const opened = openBrowser();
  const open = async (options?: Parameters<typeof EditorPage.open>[1]): Promise<EditorPage> => {
    const editor = await EditorPage.open(opened, options);
    await editor.drawn();
    return editor;
  };
  /** Times are known, and the target is one. */
  const timed = (target: number | null = null): Partial<GraphEditorState> => ({
    latency: LATENCY,
    target,
    range: { ...opened.model.state.range!, milliseconds: { min: 3, max: 12 } },
    settings: { ...opened.model.state.settings, target: { kind: 'ms', text: '50%' } },
  });
  const text = (editor: EditorPage, unit = 'ms') =>
    editor.page.getByRole('textbox', { name: `Target (${unit}) as text`, exact: true });
  const ask = async (editor: EditorPage, typed: string, unit = 'ms'): Promise<void> => {
    await text(editor, unit).fill(typed);
    await text(editor, unit).press('Enter');
  };
  const wishes = (editor: EditorPage) => editor.sent('graph/target').map(({ wish }) => wish);
  const choose = async (editor: EditorPage, unit: string): Promise<void> => {
    await editor.page.getByRole('combobox', { name: 'Unit of the target' }).click();
    await editor.page.getByRole('option', { name: unit, exact: true }).click();
  };
  const chosen = (editor: EditorPage) =>
    editor.page.locator('.unit vscode-dropdown').evaluate((box) => (box as HTMLSelectElement).value);

  test('ms is measured first: the unit stays until it is; then it asks the host for it, and back', async () => {
    const editor = await open();
    const unit = editor.page.locator('.unit vscode-dropdown');
    assert.match((await unit.getAttribute('title')) ?? '', /measured first, which takes minutes/);
    await choose(editor, 'ms');
    assert.deepEqual(editor.sent('graph/run'), ['measureLatency']);
    assert.equal(await chosen(editor), 'cost');
    await editor.change({ latency: LATENCY });
    await choose(editor, 'ms');
    assert.deepEqual(editor.sent('graph/unit'), ['ms']);
    await editor.change(timed());
    await editor.page.getByRole('slider', { name: 'Target (ms)' }).waitFor();
    assert.equal(await chosen(editor), 'ms');
    assert.match((await unit.getAttribute('title')) ?? '', /2 threads, batch 1; predictions were within 4\.0 %/);
    await choose(editor, 'MACs');
    assert.deepEqual(editor.sent('graph/unit'), ['ms', 'cost']);
    await editor.close();
  });

  test('the slider runs from the fastest to the dense time; text takes ms, s and shares; the figure is a prediction with its error', async () => {
    const editor = await open();
    await editor.change(timed());
    await ask(editor, '6ms');
    await editor.page
      .locator('.target-reached')
      .getByText(/^ [56]\.\d\d ms predicted \(± 4\.0 %\) · 2\.0\d G$/)
      .waitFor();
    const slider = editor.page.getByRole('slider', { name: 'Target (ms)' });
    assert.equal(await slider.inputValue(), String(Math.round((1000 * (6 - 3)) / (12 - 3))));
    assert.equal(await slider.getAttribute('aria-valuetext'), '6.00 ms, 50 %');
    const title = (await editor.page.locator('.target-reached').getAttribute('title')) ?? '';
    assert.match(title, /largest error on 4 networks held out was 4\.0 %.*MACs; host, CPU/);
    await ask(editor, '0.009 s');
    await ask(editor, '50%');
    assert.deepEqual(wishes(editor), [{ milliseconds: 6 }, { milliseconds: 9 }, { milliseconds: 6 }]);
    await slider.focus();
    await slider.press('Home');
    await editor.page.waitForTimeout(300);
    assert.deepEqual(wishes(editor).at(-1), { milliseconds: 3 });
    await slider.press('End');
    await editor.page.waitForTimeout(300);
    assert.deepEqual(wishes(editor).at(-1), { milliseconds: 12 });
    // Nothing goes there: what it takes was measured.
    await editor.page
      .locator('.target-reached')
      .getByText(/^ 12\.0 ms as it is · 4\.1\d G$/)
      .waitFor();
    // Of the marks at shares of the dense time, the one below the fastest is not there.
    assert.equal(await editor.page.locator('.target-tick:visible').count(), 3);
    await editor.change({ range: { ...timed().range!, milliseconds: { min: 4, max: 12 } } });
    assert.equal(await editor.page.locator('.target-tick:visible').count(), 2);
    await editor.close();
  });

  test('what cannot be reached, what is no time, and what was meant', async () => {
    const editor = await open();
    await editor.change(timed());
    const note = editor.page.locator('.target-note');
    await ask(editor, '1ms');
    await note.getByText('cannot be faster than 3.00 ms: ').waitFor();
    assert.deepEqual(wishes(editor).at(-1), { milliseconds: 3 });
    await ask(editor, '13ms');
    await note.getByText('takes 12.0 ms as it is').waitFor();
    await ask(editor, 'half');
    await note.getByText('"half" is no time: write 12ms, 0.5 s or 60%.').waitFor();
    await ask(editor, '7');
    await note.getByRole('button', { name: 'Did you mean 7 ms?' }).click();
    assert.deepEqual(wishes(editor).at(-1), { milliseconds: 7 });
    // A cost is asked for in its own unit.
    await ask(editor, '2G');
    assert.deepEqual(wishes(editor).at(-1), { macs: 2e9 });
    await editor.page.getByRole('slider', { name: 'Target (MACs)' }).waitFor();
    await editor.close();
  });

  test('a time that is typed beside MACs: asked for where times are known, else it says what to do', async () => {
    const editor = await open();
    await ask(editor, '6ms', 'MACs');
    await editor.page.locator('.target-note').getByText('Times are not measured yet: choose ms').waitFor();
    assert.deepEqual(wishes(editor), []);
    await editor.change({ latency: LATENCY, range: timed().range! });
    await ask(editor, '7ms', 'MACs');
    await editor.page.getByRole('slider', { name: 'Target (ms)' }).waitFor();
    assert.deepEqual(wishes(editor), [{ milliseconds: 7 }]);
    await editor.close();
  });

  test('blocks that are removed whole have no times: ms cannot be chosen, and says why', async () => {
    const editor = await open();
    await editor.change({ settings: { ...opened.model.state.settings, removeLayers: 1 } });
    const unit = editor.page.locator('.unit vscode-dropdown[aria-disabled=true]');
    await unit.waitFor();
    assert.match((await unit.getAttribute('title')) ?? '', /removes no whole blocks/);
    await editor.close();
  });

  test('at 320 pixels and 200 % nothing is cut off or needs the page to scroll aside', async () => {
    for (const [name, size] of [
      ['narrow', { width: 320, height: 800 }],
      ['zoomed', { width: 640, height: 400, scale: 2 }],
      ['usual', { width: 1280, height: 800 }],
      ['wide', { width: 1700, height: 800 }],
    ] as const) {
      const editor = await open(size);
      await editor.change(timed());
      await ask(editor, '6ms');
      const reached = editor.page.locator('.target-reached');
      await reached.getByText('predicted').waitFor();
      assert.ok(
        await reached.evaluate((shown) => shown.scrollWidth <= shown.clientWidth),
        `${name}: the figure is cut off`,
      );
      assert.ok(await editor.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), name);
      await editor.page.screenshot({ path: path.join(OUT, `times-${name}.png`) });
      await editor.close();
    }
  });
});

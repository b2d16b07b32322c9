import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { openBrowser } from './harness/browser.ts';
import { noChromium } from './harness/chromium.ts';
import { type Frames, frameTimes, openingTime } from './harness/measure.ts';
import { testModel } from './harness/models.ts';
import { EditorPage } from './harness/page.ts';

/** A little longer than the page waits until it remembers how it looks. */
const REMEMBERED_AFTER_MS = 450;
const LOADING = { phase: 'loading', message: 'Reading model.pth…', view: null, groups: null, scores: null } as const;

describe('the graph in a browser', { skip: noChromium }, () => {
  const opened = openBrowser();
  const open = async (options?: Parameters<typeof EditorPage.open>[1]): Promise<EditorPage> => {
    const editor = await EditorPage.open(opened, options);
    if (options?.state?.view !== null) await editor.drawn();
    return editor;
  };
  /** Where the picture stands, as the page remembers it once it stands still. */
  const placeOf = async (editor: EditorPage): Promise<{ readonly x: number; readonly y: number }> => {
    for (let last = ''; ; ) {
      await editor.page.waitForTimeout(REMEMBERED_AFTER_MS);
      const place = await editor.page.evaluate(() => JSON.parse(sessionStorage.getItem('state') ?? '{}').place);
      if (place && JSON.stringify(place) === last) return place;
      last = JSON.stringify(place ?? null);
    }
  };
  const names = (editor: EditorPage) => editor.page.locator('[role=treeitem]').allTextContents();
  const focusGraph = (editor: EditorPage) => editor.page.locator('.graph').focus();
  const active = (editor: EditorPage) =>
    editor.page.evaluate(() => {
      const id = document.querySelector('.graph')?.getAttribute('aria-activedescendant');
      return (id && document.getElementById(id)?.textContent) || '';
    });

  test('says that it is ready, draws what it is sent, breaks no policy', async () => {
    const editor = await open();
    assert.equal(editor.received[0].type, 'ready');
    assert.equal(await editor.page.locator('.pane canvas').count(), 2);
    assert.ok((await editor.item(/^layer1/).count()) > 0);
    await editor.close();
  });

  test('waits and fails in words', async () => {
    const editor = await open({ state: LOADING });
    await editor.page.getByText('Reading model.pth…').waitFor();
    const message = '<img src=x onerror=alert(1)> model.pth: no data.pkl in it';
    await editor.send('graph/update', { phase: 'failed', message });
    await editor.page.getByText(message).waitFor();
    await editor.page.getByRole('button', { name: 'Read Again' }).click();
    assert.deepEqual(editor.sent('graph/run'), ['retry']);
    await editor.close();
  });

  test('arrow keys walk the stream, Enter opens and closes, Shift+Enter all of the same structure', async () => {
    const editor = await open();
    await focusGraph(editor);
    await editor.page.keyboard.press('Home');
    for (let i = 0; i < 5; i++) await editor.page.keyboard.press('ArrowDown');
    assert.match(await active(editor), /^0, Bottleneck/);
    await editor.page.keyboard.press('Enter');
    await editor.item(/^downsample/).waitFor({ state: 'attached' });
    assert.match(await active(editor), /^0, Bottleneck/);
    await editor.page.keyboard.press('Enter');
    await editor.item(/^downsample/).waitFor({ state: 'detached' });
    await editor.page.keyboard.press('Backspace');
    assert.match(await active(editor), /^layer1,/);
    await editor.send('graph/select', { nodes: ['layer1.1'], scope: null, reveal: true });
    // What the host selects is shown with the next frame: a key before that would be for another layer.
    await editor.page.waitForFunction(() => {
      const id = document.querySelector('.graph')?.getAttribute('aria-activedescendant');
      return /^1, Bottleneck/.test((id && document.getElementById(id)?.textContent) || '');
    });
    await focusGraph(editor);
    await editor.page.keyboard.press('Shift+Enter');
    await editor.page.waitForFunction(() => document.querySelectorAll('[aria-expanded=true]').length >= 8);
    await editor.close();
  });

  test('p pins the outputs and Shift+p the inputs, only where that does something; ? shows the keys', async () => {
    const editor = await open();
    await editor.send('graph/select', { nodes: ['layer1.0.conv2'], scope: null, reveal: true });
    await editor.page.getByRole('heading', { name: 'layer1.0.conv2' }).waitFor();
    const context = () =>
      editor.page
        .locator('.graph')
        .evaluate((graph) => JSON.parse((graph as HTMLElement).dataset.vscodeContext ?? '{}'));
    const { layer, espalierPinOutputs, espalierPinInputs, espalierPinned, espalierGroup } = await context();
    assert.deepEqual(
      [layer, espalierPinOutputs, espalierPinInputs, espalierPinned, espalierGroup],
      ['layer1.0.conv2', true, true, false, true],
    );
    await focusGraph(editor);
    await editor.page.keyboard.press('p');
    await editor.page.keyboard.press('Shift+P');
    assert.deepEqual(editor.sent('graph/pin'), [
      { layer: 'layer1.0.conv2', side: 'out', pinned: true },
      { layer: 'layer1.0.conv2', side: 'in', pinned: true },
    ]);
    const pins = [{ layer: 'layer1.0.conv2', side: 'out' as const }];
    await editor.send('graph/update', { settings: { ...opened.model.state.settings, pins } });
    await editor.frames(2);
    assert.deepEqual(
      await context().then((found) => [found.espalierPinOutputs, found.espalierPinInputs, found.espalierPinned]),
      [false, true, true],
    );
    await editor.page.keyboard.press('p');
    assert.deepEqual(editor.sent('graph/pin').at(-1), { layer: 'layer1.0.conv2', side: 'out', pinned: false });
    // The classifier's outputs are the classes: nothing to pin.
    await editor.send('graph/select', { nodes: ['fc'], scope: null, reveal: true });
    await editor.page.getByRole('heading', { name: 'fc' }).waitFor();
    const before = editor.sent('graph/pin').length;
    await focusGraph(editor);
    await editor.page.keyboard.press('p');
    assert.equal(editor.sent('graph/pin').length, before);
    assert.equal((await context()).espalierPinOutputs, false);
    await editor.page.keyboard.press('?');
    await editor.page.getByRole('dialog', { name: 'Keys of the graph' }).waitFor();
    await editor.page.keyboard.press('Escape');
    await editor.page.getByRole('dialog').waitFor({ state: 'hidden' });
    await editor.close();
  });

  test('the overview shows where one is, and goes where it is clicked', async () => {
    const editor = await open();
    const overview = editor.page.locator('.overview canvas');
    await overview.waitFor();
    const { width, height } = (await overview.boundingBox())!;
    const first = () =>
      editor.page.evaluate(() => (document.querySelector('.pane-dense canvas') as HTMLCanvasElement).toDataURL());
    const top = await first();
    await overview.click({ position: { x: width / 2, y: height - 4 } });
    await editor.frames(3);
    assert.notEqual(await first(), top);
    await editor.page.keyboard.press('f');
    await editor.page.getByRole('button', { name: 'Fit (f)' }).click();
    await editor.page.locator('.overview').waitFor({ state: 'hidden' });
    await editor.close();
  });

  test('inspector and tables are put away and come back; the graph gets the room', async () => {
    const editor = await open();
    const graph = async () => (await editor.page.locator('.graph-area').boundingBox())!;
    const before = await graph();
    await editor.page.locator('vscode-button[aria-label="Inspector: show or hide"]').click();
    await editor.page.locator('vscode-button[aria-label="Tables: show or hide"]').click();
    await editor.page.getByRole('complementary', { name: 'Inspector' }).waitFor({ state: 'hidden' });
    const after = await graph();
    assert.ok(after.width > before.width + 200 && after.height > before.height + 100, JSON.stringify([before, after]));
    await editor.send('graph/command', 'toggleInspector');
    await editor.page.getByRole('complementary', { name: 'Inspector' }).waitFor();
    await editor.close();
  });

  test('a failure is one sentence; what else is known of it stands behind it', async () => {
    const message =
      "net.onnx: node 'x' (Det) cannot be taken over: Espalier has no operation for it.\nIt takes Add, Conv.";
    const editor = await open({ state: LOADING });
    await editor.send('graph/update', { phase: 'failed', message });
    await editor.page.getByText('Espalier has no operation for it.').waitFor();
    assert.equal(await editor.page.getByText('It takes Add, Conv.').isVisible(), false);
    await editor.page.getByText('More', { exact: true }).click();
    await editor.page.getByText('It takes Add, Conv.').waitFor();
    await editor.close();
  });

  test('a click selects and tells the host, Alt-click the scope, an empty place clears', async () => {
    const editor = await open();
    const canvas = editor.page.locator('.pane-dense canvas');
    const box = (await canvas.boundingBox())!;
    const first = { x: box.width / 2 - 60, y: 70 };
    await canvas.click({ position: first });
    assert.deepEqual(editor.sent('graph/selected').at(-1), { nodes: ['conv1'], scope: null });
    await editor.page.getByRole('heading', { name: 'conv1' }).waitFor();
    await canvas.click({ position: first, modifiers: ['Alt'] });
    const scope = opened.model.state.groups?.groups.find(({ name }) => name === 'conv1')?.scope;
    assert.ok(scope !== undefined && scope >= 0);
    assert.deepEqual(editor.sent('graph/selected').at(-1), { nodes: ['conv1'], scope });
    await canvas.click({ position: { x: 12, y: 12 } });
    assert.deepEqual(editor.sent('graph/selected').at(-1), { nodes: [], scope: null });
    await editor.close();
  });

  test('resting on a layer tells what it is and what hangs together with it; a double click opens a module', async () => {
    const editor = await open();
    const canvas = editor.page.locator('.pane-dense canvas');
    const { x, y, width } = (await canvas.boundingBox())!;
    await editor.page.mouse.move(x + width / 2 - 60, y + 70);
    await editor.page.mouse.move(x + width / 2 - 58, y + 71);
    const tooltip = editor.page.locator('.tooltip');
    await tooltip.getByText('conv 7×7 /2').waitFor();
    assert.match((await tooltip.textContent())!, /conv1: 64 channels, \d+ members, layer outputs/);
    await editor.page.mouse.move(x + 10, y + 10);
    await tooltip.waitFor({ state: 'hidden' });
    await editor.send('graph/select', { nodes: ['layer1.0'], scope: null, reveal: true });
    await canvas.dblclick({ position: { x: width / 2 - 40, y: 245 } });
    await editor.item(/^downsample/).waitFor({ state: 'attached' });
    await editor.close();
  });

  test('finds by name and type, shows what it finds, and gives the keyboard back', async () => {
    const editor = await open();
    await focusGraph(editor);
    await editor.page.keyboard.press('/');
    await editor.page.keyboard.type('layer3.4 conv2');
    await editor.page.getByRole('option').first().waitFor();
    await editor.page.keyboard.press('Enter');
    await editor.page.getByRole('heading', { name: 'layer3.4.conv2' }).waitFor();
    await editor
      .item(/^conv2, conv 3×3/)
      .first()
      .waitFor({ state: 'attached' });
    assert.match(await active(editor), /^conv2/);
    assert.ok(await editor.page.locator('.find').isHidden());
    await editor.close();
  });

  test('a selection of the host opens what is around and comes into view', async () => {
    const editor = await open();
    const before = await placeOf(editor);
    await editor.send('graph/select', { nodes: ['layer4.2.conv3'], scope: null, reveal: true });
    await editor.page.getByRole('heading', { name: 'layer4.2.conv3' }).waitFor();
    assert.equal(editor.sent('graph/selected').length, 0, 'the host is not told what it said itself');
    const members = await editor.page.locator('[role=treeitem]', { hasText: 'in the selected group' }).count();
    assert.ok(members >= 1);
    const after = await placeOf(editor);
    // The last stage lies far below what is shown at first.
    assert.ok(after.y < before.y - 500, JSON.stringify([before, after]));
    await editor.close();
  });

  test('screen readers get a tree with levels, states and figures', async () => {
    const editor = await open();
    const tree = editor.page.getByRole('tree', { name: 'Model graph' });
    const stage = tree.getByRole('treeitem', { name: /^layer1, Sequential/ });
    assert.deepEqual(
      await stage.evaluate((node) => [node.ariaLevel, node.ariaExpanded, node.ariaSetSize, node.ariaPosInSet]),
      ['1', 'true', '11', '6'],
    );
    const conv = tree.getByRole('treeitem', { name: /^conv1, conv 7×7/ });
    assert.match(
      (await conv.textContent())!,
      /out 64, in 3, 118\.0 M MACs, .* 9\.41 k parameters, scope layer outputs/,
    );
    await editor.close();
  });

  test('what was open, chosen and where it stood is there again after the page was thrown away', async () => {
    const editor = await open();
    await editor.send('graph/select', { nodes: ['layer2.0.conv2'], scope: null, reveal: true });
    await editor.page.getByRole('heading', { name: 'layer2.0.conv2' }).waitFor();
    await editor.page.getByRole('tab', { name: 'Scopes' }).click();
    const [place, shown] = [await placeOf(editor), await names(editor)];
    await editor.page.reload();
    await editor.drawn();
    await editor.page.getByRole('heading', { name: 'layer2.0.conv2' }).waitFor();
    assert.equal(await editor.page.getByRole('tab', { name: 'Scopes' }).getAttribute('aria-selected'), 'true');
    assert.deepEqual(await placeOf(editor), place);
    assert.deepEqual(await names(editor), shown);
    await editor.close();
  });

  test('the picture goes out as SVG and as PNG', async () => {
    const editor = await open();
    await editor.send('graph/command', 'exportSvg');
    await editor.send('graph/command', 'exportPng');
    for (let waited = 0; editor.sent('graph/export').length < 2 && waited < 20_000; waited += 50)
      await editor.page.waitForTimeout(50);
    const [svg, png] = editor.sent('graph/export');
    assert.deepEqual([svg.name, png.name], ['resnet50.svg', 'resnet50.png']);
    assert.match(svg.data, /^<svg xmlns/);
    assert.ok(svg.data.includes('>layer1<'));
    assert.equal(Buffer.from(png.data, 'base64').subarray(1, 4).toString(), 'PNG');
    await editor.close();
  });

  test('opening a module keeps the others in place, with and without motion', async () => {
    for (const reducedMotion of [true, false]) {
      const editor = await open({ reducedMotion });
      await editor.send('graph/select', { nodes: ['layer1.0'], scope: null, reveal: false });
      const before = await placeOf(editor);
      await editor.send('graph/command', 'expand');
      await editor.item(/^downsample/).waitFor({ state: 'attached' });
      await editor.page.waitForTimeout(600);
      assert.equal((await placeOf(editor)).y, before.y);
      await editor.close();
    }
  });

  describe('large networks', () => {
    for (const name of ['resnet152', 'deit_base_patch16_224', 'swin_base_patch4_window7_224', 'densenet121'])
      test(`${name} opens, with everything open, at any zoom; how fast is said`, async (context) => {
        const large = await testModel(name);
        const editor = await EditorPage.open({ ...opened, model: large }, { state: LOADING });
        const opening = await openingTime(editor, large.state);
        const first = await frameTimes(editor, 'pan');
        await editor.send('graph/command', 'expandAll');
        await editor.page.waitForFunction(() => document.querySelectorAll('[role=treeitem]').length > 200);
        const close = await frameTimes(editor, 'pan');
        await editor.send('graph/command', 'fit');
        await editor.frames(2);
        const whole = await frameTimes(editor, 'pan');
        const zoom = await frameTimes(editor, 'zoom');
        const show = ({ worst, drawing }: Frames): string => `${worst.toFixed(0)} ms (drawing ${drawing.toFixed(1)})`;
        context.diagnostic(
          `opened in ${opening.toFixed(0)} ms; worst frame: ${show(first)}, all open ${show(close)}, all of it ${show(whole)}, zooming ${show(zoom)}`,
        );
        await editor.close();
      });
  });
});

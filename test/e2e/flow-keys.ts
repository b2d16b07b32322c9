/** What the mouse can do, by keyboard, menus and tasks; plans and pictures as files. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type Environment, Session, setCurrent } from './lib/session.ts';
import { smallData } from './lib/small-data.ts';
import type { Flow } from './lib/steps.ts';

const LIMIT_MS = 300_000;
/** A little longer than what the mouse is over takes to be named. */
const TOOLTIP_AFTER_MS = 500;
/** The Groups view follows a slider that rests. */
const GROUPS_FOLLOW_AFTER_MS = 500;

export const keysFlow = (environment: Environment): Flow => ({
  name: 'keyboard, menus, tasks and files',
  async run(step) {
    const session = await Session.start(
      environment,
      async (workspace) => {
        await smallData(workspace, { train: 150, test: 10 });
        mkdirSync(path.join(workspace, '.vscode'));
        const task = {
          type: 'espalier',
          command: 'prune',
          label: 'prune to half',
          flags: {
            model: 'resnet20.pth',
            'pruning-type': 'l1',
            'target-macs': '50%',
            'save-as': 'by-task.safetensors',
          },
        };
        writeFileSync(
          path.join(workspace, '.vscode', 'tasks.json'),
          JSON.stringify({ version: '2.0.0', tasks: [task] }),
        );
      },
      // The trees draw only the rows on screen.
      { viewport: { width: 1280, height: 1300 } },
    );
    setCurrent(session);
    const { workbench: wb, workspace } = session;
    const view = () => wb.webview();

    await step('find by keyboard', async () => {
      await wb.showViews();
      await wb.run('Espalier: Load Checkpoint');
      await wb.pick('resnet20.pth');
      await view().getByText('Scored by the size').waitFor();
      await wb.run('Espalier: Find Layer');
      const field = view().getByPlaceholder('name or type').first();
      await field.waitFor();
      await wb.page.waitForTimeout(500);
      await wb.page.keyboard.type('layer2.0.conv1');
      assert.equal(await field.inputValue(), 'layer2.0.conv1');
      await wb.page.keyboard.press('Enter');
      await view().locator('h2', { hasText: 'layer2.0.conv1' }).waitFor();
    });
    await step('the Groups view selects in the graph', async () => {
      await wb.row('Groups', 'block inside').click();
      await wb.page.keyboard.press('ArrowRight');
      await wb.row('Groups', 'layer3.0.conv1').first().click();
      await view().getByText('layer3.0.conv1').first().waitFor();
      await session.shot('40-selected');
    });
    await step(
      'the slider: one plan for a step, and rows of the Groups view that are opened meanwhile follow it',
      async () => {
        const slider = view().locator('.target-slider');
        for (const [index, layer] of ['layer1.0.conv1', 'layer1.1.conv1', 'layer2.1.conv1'].entries()) {
          const told = slider.evaluate(slideTo, 400 + 80 * index);
          await wb.page.waitForTimeout(GROUPS_FOLLOW_AFTER_MS - 30 + 30 * index);
          await wb
            .row('Groups', new RegExp(`^${layer}`))
            .first()
            .click();
          await wb.page.keyboard.press('ArrowRight');
          await wb.row('Groups', new RegExp(`^${layer}.*outputs`)).waitFor();
          assert.deepEqual(await told, ['graph/update', 'graph/plan']);
          await wb.page.keyboard.press('ArrowLeft');
        }
        await wb.row('Groups', /^layer2\.1\.conv1\s*32 → \d+/).waitFor();
      },
    );
    await step('pins a layer from the Groups view, and the plan respects it', async () => {
      await wb.run('Espalier: Set FLOP Target');
      await wb.answer('50%');
      await view().getByText('reached').first().waitFor();
      // The click on its group has opened it; rows above it that are open as well may have moved it out of what is drawn.
      await wb.row('Groups', 'block inside').hover();
      await wb.page.mouse.wheel(0, 2000);
      const layer = wb.row('Groups', /layer3\.0\.conv1.*outputs/);
      await layer.waitFor();
      await layer.click({ button: 'right' });
      await wb.menu('Pin Layer Outputs');
      await wb.row('Groups', /layer3\.0\.conv1\s*64$/).waitFor();
    });
    await step('the context menu of a layer in the graph pins it and frees it', async () => {
      await wb.run('Espalier: Find Layer');
      const field = view().getByPlaceholder('name or type').first();
      await field.fill('layer3.0.conv1');
      await field.press('Enter');
      await wb.page.waitForTimeout(700);
      // It is on screen now: what the mouse is over says where.
      const canvas = view().locator('.pane-dense canvas');
      const size = await canvas.boundingBox();
      assert.ok(size);
      const found = view().locator('.tooltip', { hasText: 'layer3.0.conv1' });
      let at: { x: number; y: number } | undefined;
      for (let y = size.height - 20; y > 0 && !at; y -= 24) {
        await canvas.hover({ position: { x: size.width / 2, y } });
        await wb.page.waitForTimeout(TOOLTIP_AFTER_MS);
        if (await found.isVisible()) at = { x: size.width / 2, y };
      }
      assert.ok(at, 'no box found');
      await canvas.click({ button: 'right', position: at });
      await wb.menu('Pin Layer Inputs');
      const pinned = view().getByRole('checkbox', { name: 'pin inputs' });
      await pinned.and(view().locator('[aria-checked=true]')).waitFor();
      await canvas.click({ button: 'right', position: at });
      await wb.menu('Unpin Layer');
      await pinned.and(view().locator('[aria-checked=false]')).waitFor();
      await canvas.click({ button: 'right', position: at });
      await wb.menu('Pin Layer Outputs');
      await view().getByRole('checkbox', { name: 'pin outputs' }).and(view().locator('[aria-checked=true]')).waitFor();
    });
    await step('saves the plan and applies it again', async () => {
      const file = path.join(workspace, 'half.plan.json');
      await wb.run('Espalier: Save Plan');
      await wb.answerPath(file);
      await wb.page.waitForTimeout(500);
      const plan = JSON.parse(readFileSync(file, 'utf8'));
      assert.deepEqual(plan.settings.pins, [{ layer: 'layer3.0.conv1', side: 'out' }]);
      await wb.run('Espalier: Set FLOP Target');
      await wb.answer('70%');
      await view().locator('.target-share', { hasText: '70 %' }).waitFor();
      await wb.run('Espalier: Apply Plan');
      await wb.answerPath(file);
      await view().locator('.target-share', { hasText: '50 %' }).waitFor();
    });
    await step('exports the graph as SVG and as PNG', async () => {
      for (const [command, name, magic] of [
        ['Espalier: Export Graph as SVG', 'graph.svg', '<svg'],
        ['Espalier: Export Graph as PNG', 'graph.png', '\x89PNG'],
      ] as const) {
        const file = path.join(workspace, name);
        await wb.run(command);
        await wb.answerPath(file);
        await wb.page.waitForTimeout(800);
        assert.ok(existsSync(file), name);
        assert.ok(readFileSync(file, 'latin1').slice(0, 200).includes(magic), name);
      }
    });
    await step('a task of tasks.json runs the command line', async () => {
      await wb.run('Tasks: Run Task');
      await wb.pick('prune to half');
      const file = path.join(workspace, 'by-task.safetensors');
      for (let i = 0; i < 300 && !existsSync(file); i++) await wb.page.waitForTimeout(100);
      assert.ok(existsSync(file));
      assert.equal(await wb.quickInput.isVisible(), false, 'asked for something');
      await wb.page.locator('.terminal-wrapper').first().waitFor();
      // Errors and warnings in the status bar.
      await wb
        .status(/^\s*0\s*0\s*$/)
        .first()
        .waitFor();
      await session.shot('41-task');
    });
    await step('runs queue: the second waits for the first, and can be taken out', async () => {
      await wb.run('Espalier: Select Data Set');
      await wb.answerPath(path.join(workspace, 'images'));
      await wb.tab('Data set images').waitFor();
      await wb.tab('resnet20.pth').click();
      await wb.run('Espalier: Finetune');
      await wb.pick('cifar');
      await wb.pick('Start');
      await wb.tab(/epoch/).waitFor();
      await wb.run('Espalier: Evaluate');
      await wb.quickInput
        .getByText('OK', { exact: true })
        .click({ timeout: 3000 })
        .catch(() => undefined);
      await wb.row('Runs', 'Evaluating').filter({ hasText: 'queued' }).waitFor();
      await session.shot('42-queued');
      const queued = wb.row('Runs', 'Evaluating');
      await queued.hover();
      await queued.getByRole('button', { name: 'Stop Run' }).click();
      await wb.row('Runs', 'Evaluating').filter({ hasText: 'stopped' }).waitFor();
      await wb.tab(/epoch/).click();
      await view().getByRole('button', { name: 'Stop now' }).click();
      await view().locator('.state', { hasText: 'stopped' }).waitFor({ timeout: LIMIT_MS });
    });
    await step('a stopped run is resumed, and stops after its epoch', async () => {
      const epochs = view().locator('tbody tr');
      const before = await epochs.count();
      await view().getByRole('button', { name: 'Resume' }).click();
      await view().locator('.state', { hasText: 'running' }).waitFor({ timeout: LIMIT_MS });
      await view().locator('.status', { hasText: 'Finetuning' }).waitFor({ timeout: LIMIT_MS });
      await view().getByRole('button', { name: 'Stop after epoch' }).click();
      await view().locator('.state', { hasText: 'stopped' }).waitFor({ timeout: LIMIT_MS });
      // The epoch during which the button was found; on a slow machine the one after it.
      const ended = (await epochs.count()) - before;
      assert.ok(ended === 1 || ended === 2, `${ended} epochs`);
      await view().getByRole('button', { name: 'Resume' }).waitFor();
    });
    await step('deletes a run after asking', async () => {
      const run = wb.row('Runs', 'Evaluating');
      await run.click({ button: 'right' });
      await wb.menu('Delete Run');
      await wb.dialog.getByRole('button', { name: 'Delete' }).click();
      await run.waitFor({ state: 'detached' });
    });
    await step('nothing unexpected in the console', async () => assert.deepEqual(wb.errors, []));
    await session.stop();
    setCurrent(undefined);
  },
});

/** Moves the slider; kinds of the messages with a plan, or about one, that come within a second. In the page. */
async function slideTo(slider: HTMLElement | SVGElement, value: number): Promise<string[]> {
  const told: string[] = [];
  const until = new AbortController();
  addEventListener(
    'message',
    ({ data }) => {
      if (data?.value?.plan || data?.type === 'graph/plan') told.push(data.type);
    },
    { signal: until.signal },
  );
  (slider as HTMLInputElement).value = String(value);
  slider.dispatchEvent(new Event('input'));
  await new Promise((resolve) => setTimeout(resolve, 1000));
  until.abort();
  return told;
}

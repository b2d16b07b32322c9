/** The target in milliseconds: measured from the unit menu, followed by the slider, kept over a reload, carried out, and given up where it does not hold. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { findRuntime } from '../../src/engine/compute/runtime/locate.ts';
import { type Environment, Session, setCurrent } from './lib/session.ts';
import { smallData } from './lib/small-data.ts';
import type { Flow } from './lib/steps.ts';

const LIMIT_MS = 300_000;

export const timesFlow = (environment: Environment): Flow => ({
  name: 'a target in milliseconds',
  async run(step) {
    // Without TensorFlow at first: ONNX Runtime computes.
    const place = mkdtempSync(path.join(tmpdir(), 'esp-rt-'));
    const runtime = path.join(place, 'runtime');
    const session = await Session.start(
      environment,
      async (workspace) => {
        await smallData(workspace, { train: 10, test: 10 });
      },
      { env: { ESPALIER_RUNTIME: runtime } },
    );
    setCurrent(session);
    const { workbench: wb, workspace } = session;
    const view = () => wb.webview();
    const cache = path.join(workspace, '.espalier', 'cache', 'latency');
    const aside = path.join(workspace, 'times-aside');
    const saved = path.join(workspace, 'timed.plan.json');
    const unit = (): Promise<string> =>
      view()
        .locator('.unit vscode-dropdown')
        .evaluate((box) => (box as HTMLSelectElement).value);
    const choose = async (name: string): Promise<void> => {
      await view().locator('.unit vscode-dropdown').click();
      await view().getByRole('option', { name, exact: true }).click();
    };
    const reached = () => view().locator('.target-reached');
    const predicted = () => reached().getByText(/ms predicted \(± [\d.]+ %\) · [\d.]+ M/);

    await step('a target in MACs; ms says what is measured and that it takes minutes', async () => {
      await wb.showViews();
      await wb.run('Espalier: Load Checkpoint');
      await wb.pick('resnet20.pth');
      await view().getByText('Scored by the size').waitFor();
      await wb.run('Espalier: Set FLOP Target');
      await wb.quickInput.getByText('or a time such as 12ms, which is measured first').waitFor();
      await wb.answer('60%');
      await reached().getByText('reached').waitFor();
      await choose('ms');
      await wb.quickInput.getByPlaceholder('It takes minutes').waitFor();
      await session.shot('110-times-asked');
    });
    await step('measuring is shown in the status bar and can be stopped: the unit stays', async () => {
      await wb.pick('Measure This Machine');
      await wb.status('Measuring latency').waitFor();
      await view().locator('.notice', { hasText: 'Measuring latency' }).waitFor();
      await session.shot('111-times-measuring');
      await view().getByRole('button', { name: 'Stop' }).click();
      await wb.row('Runs', 'Measuring latency').filter({ hasText: 'stopped' }).waitFor();
      assert.equal(await unit(), 'cost');
    });
    await step('measured: the target is a time, predicted with its error, of about the same network', async () => {
      await choose('ms');
      await wb.pick('Measure This Machine');
      await wb.row('Runs', 'Measuring latency').filter({ hasText: 'held out' }).waitFor({ timeout: LIMIT_MS });
      await predicted().waitFor();
      assert.equal(await unit(), 'ms');
      await view().getByText('Target (ms)').first().waitFor();
      await view().locator('.notice-figures', { hasText: 'MACs' }).waitFor();
      assert.ok(readdirSync(cache).some((name) => name.endsWith('.fit.json')));
      await wb.clearNotifications();
      await session.shot('112-times-target');
    });
    await step(
      'the preview follows the slider; the field takes a share of the time; another unit and back',
      async () => {
        const before = await reached().innerText();
        const slider = view().locator('.target-slider');
        await slider.focus();
        for (let i = 0; i < 3; i++) await wb.page.keyboard.press('PageDown');
        await view().locator('.target-reached:not(.stale)').waitFor();
        await wb.page.waitForTimeout(800);
        assert.notEqual(await reached().innerText(), before);
        const field = view().locator('.target-text input');
        await field.fill('90%');
        await field.press('Enter');
        await view().locator('.target-share', { hasText: '90 %' }).waitFor();
        await choose('MACs');
        await reached().getByText('reached').waitFor();
        assert.equal(await unit(), 'cost');
        await choose('ms');
        await predicted().waitFor();
      },
    );
    await step('the palette takes a time, and says how short it can be', async () => {
      await wb.run('Espalier: Set FLOP Target');
      await wb.quickInput.getByText(/or a time from [\d.]+ ms to [\d.]+ ms/).waitFor();
      await wb.answer('0.0001ms');
      await wb.quickInput.getByText('It cannot be faster than').waitFor();
      await session.shot('113-times-palette');
      await wb.answer('97%');
      await view().locator('.target-share', { hasText: '97 %' }).waitFor();
    });
    await step('rounded otherwise, its times do not hold: MACs, until the first multiple is back', async () => {
      const round = async (multiple: string): Promise<void> => {
        const field = view().getByRole('textbox', { name: 'Round widths to' });
        await field.fill(multiple);
        await field.press('Enter');
      };
      await view().getByRole('button', { name: 'Plan options' }).click();
      await round('4');
      await view().getByText('No times hold for what computes now').waitFor();
      assert.equal(await unit(), 'cost');
      await round('2');
      await view().getByRole('button', { name: 'Plan options' }).click();
      await choose('ms');
      await predicted().waitFor();
      assert.equal(await view().getByText('No times hold').count(), 0);
      assert.equal(await wb.row('Runs', 'Measuring latency').count(), 2, 'nothing was measured again');
    });
    await step('spread by sensitivity, the plan keeps its time; saved, it has it as its target', async () => {
      await wb.run('Espalier: Select Data Set');
      await wb.answerPath(path.join(workspace, 'images'));
      await wb.tab('Data set images').waitFor();
      await wb.tab('resnet20.pth').click();
      await view().locator('.spread vscode-dropdown').click();
      await view().getByRole('option', { name: 'by sensitivity' }).click();
      await wb.answer('32');
      await wb.row('Runs', 'Measuring sensitivity').filter({ hasText: '32 images' }).waitFor({ timeout: LIMIT_MS });
      await view().locator('.target-reached:not(.stale)').waitFor();
      await predicted().waitFor();
      await session.shot('116-times-spread');
      await view().locator('.spread vscode-dropdown').click();
      await view().getByRole('option', { name: 'same share' }).click();
      await view().locator('.target-reached:not(.stale)').waitFor();
      await wb.run('Espalier: Save Plan');
      await wb.answerPath(saved);
      await wb.page.waitForTimeout(1000);
      const { target } = JSON.parse(readFileSync(saved, 'utf8')).settings;
      assert.equal(target.kind, 'ms');
      await wb.clearNotifications();
    });
    await step('pruned by measured plans, or refused with the fastest; either is said', async () => {
      const file = path.join(workspace, 'faster.safetensors');
      await wb.run('Espalier: Prune Model');
      await wb.answerPath(file);
      // What runs take on this machine now decides.
      const said = wb.notification(/measured \([\d.]+ ms asked, [\d.]+ ms predicted|was not brought to/);
      await said.first().waitFor({ timeout: LIMIT_MS });
      await session.shot('114-times-pruned');
      const text = await said.first().innerText();
      assert.equal(existsSync(file), /asked/.test(text), text);
      if (/asked/.test(text)) assert.match(text, /ONNX Runtime .* threads?, batch 1/);
      assert.doesNotMatch(text, /--/);
      await wb.clearNotifications();
    });
    await step('repaired without training, the same', async () => {
      await wb.run('Espalier: Prune and Repair');
      await wb.pick('Repair the plan as it is');
      await wb.answerPath(path.join(workspace, 'repaired.safetensors'));
      const said = wb.notification(/repaired, agrees .* measured \([\d.]+ ms asked|was not brought to/);
      await said.first().waitFor({ timeout: LIMIT_MS });
      await wb.clearNotifications();
    });
    await step('the window opened again: unit, target and times are there', async () => {
      const share = await view().locator('.target-share').innerText();
      await wb.page.waitForTimeout(1000);
      await wb.goto(workspace);
      await wb.tab('resnet20.pth').click();
      await predicted().waitFor({ timeout: LIMIT_MS });
      assert.equal(await unit(), 'ms');
      assert.equal(await view().locator('.target-share').innerText(), share);
    });
    await step('another runtime computes: the target is in MACs, and it is said', async () => {
      const installed = findRuntime(false)?.folder;
      // Where there is no other runtime, the times themselves are gone.
      if (installed) symlinkSync(installed, runtime);
      else renameSync(cache, aside);
      await wb.run('Espalier: Restart Worker');
      await view().getByText('No times hold for what computes now').waitFor({ timeout: LIMIT_MS });
      assert.equal(await unit(), 'cost');
      await reached().getByText('reached').waitFor();
      await view().locator('.target-reached:not(.stale)').waitFor();
      await session.shot('115-times-gone');
    });
    await step('a saved plan for a time that is not known here is one of its MACs', async () => {
      await wb.run('Espalier: Apply Plan');
      await wb.answerPath(saved);
      await wb.notification(/plan\.json was made for .*, and no such times are measured here/).waitFor();
      await view().locator('.target-reached:not(.stale)').getByText('reached').waitFor();
      assert.equal(await unit(), 'cost');
      await wb.clearNotifications();
    });
    await step('the first runtime again: its times are found, and nothing is measured', async () => {
      if (existsSync(runtime)) rmSync(runtime);
      else renameSync(aside, cache);
      await wb.run('Espalier: Restart Worker');
      await wb.page.waitForTimeout(2000);
      await choose('ms');
      await predicted().waitFor({ timeout: LIMIT_MS });
      assert.equal(await unit(), 'ms');
    });
    await step('nothing unexpected in the console, and no other host was asked', async () => {
      assert.deepEqual(wb.errors, []);
      assert.deepEqual(wb.foreignRequests, []);
    });
    await session.stop();
    rmSync(place, { recursive: true, force: true });
    setCurrent(undefined);
  },
});

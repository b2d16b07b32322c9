/** A page with the model editor in it, and a stand-in for the extension host behind it. */
import assert from 'node:assert/strict';
import type { Page } from 'playwright-core';
import type { GraphEditorState, GraphToHost, HostToGraph, TargetWish } from '../../../src/protocol/graph-editor.ts';
import type { Message } from '../../../src/protocol/panels.ts';
import type { Opened } from './browser.ts';
import type { TestModel } from './models.ts';
import type { ThemeName } from './site.ts';

type FromPage = Message<GraphToHost> | { readonly type: 'violation'; readonly value: string };

export interface OpenOptions {
  readonly theme?: ThemeName;
  readonly width?: number;
  readonly height?: number;
  /** Instead of the model's state. */
  readonly state?: Partial<GraphEditorState>;
  readonly reducedMotion?: boolean;
  /** Device pixels for each CSS pixel: VS Code's zoom. */
  readonly scale?: number;
}

export class EditorPage {
  readonly received: FromPage[] = [];
  readonly problems: string[] = [];
  /** Why targets are not answered with a plan any more; empty: they are. */
  refusal = '';
  readonly page: Page;
  readonly #model: TestModel;
  #state: GraphEditorState;

  private constructor(page: Page, model: TestModel, state: GraphEditorState) {
    this.page = page;
    this.#model = model;
    this.#state = state;
  }

  static async open({ browser, site, model }: Opened, options: OpenOptions = {}): Promise<EditorPage> {
    const { width = 1280, height = 800, theme = 'dark', scale = 1, reducedMotion = true } = options;
    const context = await browser.newContext({
      viewport: { width, height },
      deviceScaleFactor: scale,
      reducedMotion: reducedMotion ? 'reduce' : 'no-preference',
    });
    const page = await context.newPage();
    page.setDefaultTimeout(8000);
    // A busy machine takes its time to start a page.
    page.setDefaultNavigationTimeout(30_000);
    // Functions that tests run in the page were compiled with names kept by this helper.
    await page.addInitScript('globalThis.__name = (f) => f');
    const editor = new EditorPage(page, model, { ...model.state, ...options.state });
    page.on('pageerror', (error) => editor.problems.push(String(error)));
    page.on('console', (line) => {
      if (line.type() === 'error') editor.problems.push(line.text());
    });
    await page.exposeFunction('toHost', (message: FromPage) =>
      editor.#receive(message).catch((error: unknown) => {
        // What the page still said while it was closed has no answer.
        if (!page.isClosed()) editor.problems.push(String(error));
      }),
    );
    await page.goto(`${site.url}/?theme=${theme}`);
    await page.locator('.editor').waitFor();
    return editor;
  }

  async #receive(message: FromPage): Promise<void> {
    this.received.push(message);
    if (message.type === 'violation' || message.type === 'graph/error') this.problems.push(String(message.value));
    if (message.type === 'ready') await this.send('graph/show', this.#state);
    if (message.type === 'graph/planText')
      await this.send('graph/planText', this.#state.target ? this.#model.plan(this.#state.target).text : '');
    if (message.type === 'graph/target') {
      const { seq, wish } = message.value;
      if (this.refusal) return this.send('graph/plan', { seq, problem: this.refusal });
      await this.change({ ...this.#planFor(wish), planStale: false });
      await this.send('graph/plan', { seq, problem: '' });
    }
  }

  /** What the host would say of a wish: a network takes as long as it has MACs. */
  #planFor(wish: TargetWish): Partial<GraphEditorState> {
    const { latency, settings, view: graph } = this.#state;
    const dense = graph?.cost.macs ?? 0;
    const speed = latency ? latency.dense / dense : 1;
    const macs = 'macs' in wish ? wish.macs : wish.milliseconds / speed;
    const { view } = this.#model.plan(macs);
    const asked = 'macs' in wish ? {} : { asked: wish.milliseconds };
    const time = latency && { time: { predicted: view.after.macs * speed, ...asked } };
    const target =
      'macs' in wish
        ? ({ kind: 'macs', text: String(macs) } as const)
        : ({ kind: 'ms', text: `${wish.milliseconds.toFixed(4)} ms` } as const);
    return { target: macs, plan: { ...view, ...time }, settings: { ...settings, target } };
  }

  /** The host's state changes, and it says so. */
  async change(change: Partial<GraphEditorState>): Promise<void> {
    this.#state = { ...this.#state, ...change };
    await this.send('graph/update', change);
  }

  async send<K extends keyof HostToGraph>(type: K, value: HostToGraph[K]): Promise<void> {
    await this.page.evaluate((message) => window.postMessage(message), { type, value });
  }

  /** Waits until boxes are laid out and drawn. */
  async drawn(): Promise<void> {
    await this.page.locator('[role=treeitem]').first().waitFor({ state: 'attached' });
    await this.frames(2);
  }

  frames(count: number): Promise<void> {
    return this.page.evaluate(async (left) => {
      for (let i = 0; i < left; i++) await new Promise((resolve) => requestAnimationFrame(resolve));
    }, count);
  }

  /** Messages of one type that the page sent. */
  sent<K extends FromPage['type']>(type: K): Extract<FromPage, { type: K }>['value'][] {
    return this.received.filter((message) => message.type === type).map((message) => message.value) as never;
  }

  item(name: string | RegExp) {
    return this.page.getByRole('treeitem', { name });
  }

  /** Throws where the page had an error or a violation of its content policy meanwhile. */
  async close(): Promise<void> {
    await this.page.context().close();
    assert.deepEqual(this.problems, []);
  }
}

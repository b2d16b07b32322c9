/** A page object for the VS Code workbench in a browser. Selectors hold for VS Code 1.100 to 1.139. */
import { existsSync } from 'node:fs';
import { type Browser, chromium, type FrameLocator, type Locator, type Page } from 'playwright-core';
import type { Server } from './server.ts';

const EXTENSION = 'espalier.espalier';
/** How many times longer than on a machine of one's own an answer may take. */
const PATIENCE = Number(process.env['E2E_PATIENCE'] ?? 1);

export function findChromium(): string | undefined {
  const places = [process.env['CHROMIUM'], '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
  return places.find((place) => place && existsSync(place));
}

export function launchBrowser(executablePath: string): Promise<Browser> {
  return chromium.launch({
    executablePath,
    headless: true,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-dev-shm-usage',
      // Nothing but loopback resolves: whatever would ask the internet fails at once.
      '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost',
    ],
  });
}

/**
 * What this server's wrapper would serve, a module that no open build has, frames without scripts in VS Code's own pages (walkthroughs), and
 * the account that the chat of newer versions waits for.
 */
const KNOWN_NOISE =
  /_static\/|update\/check|\/vsda\/|fetching the script|\[Service Worker\] registration|Long running operations during shutdown|vscode-log:|authentication provider 'github' to register|Blocked script execution in '[^']*[?&]extensionId=&/;

export interface OpenOptions {
  readonly folder?: string;
  readonly payload?: readonly (readonly [string, string])[];
  readonly viewport?: { readonly width: number; readonly height: number };
  /** For a suite inside the extension host. */
  readonly automation?: {
    exit(code: number): void;
    log?(kind: string, args: readonly unknown[]): void;
  };
}

export class Workbench {
  /** Unexpected errors in the browser's console. */
  readonly errors: string[] = [];
  /** Requests to other hosts. */
  readonly foreignRequests: string[] = [];

  private constructor(
    readonly page: Page,
    readonly server: Server,
  ) {
    page.on('console', (message) => {
      const text = `${message.text()} ${message.location().url}`;
      if (message.type() === 'error' && !KNOWN_NOISE.test(text)) this.errors.push(text.slice(0, 500));
    });
    page.on('pageerror', (error) => this.errors.push(String(error)));
    page.on('request', (request) => {
      const { protocol, host } = new URL(request.url());
      // That name is answered by the webviews' service worker: nothing is looked up.
      const own = host === server.authority || host.endsWith('.vscode-resource.vscode-cdn.net');
      if (/^(https?|wss?):$/.test(protocol) && !own) this.foreignRequests.push(request.url());
    });
  }

  static async open(browser: Browser, server: Server, options: OpenOptions = {}): Promise<Workbench> {
    const { viewport = { width: 1280, height: 800 }, folder, payload, automation } = options;
    const context = await browser.newContext({ viewport, permissions: ['clipboard-read', 'clipboard-write'] });
    const page = await context.newPage();
    page.setDefaultTimeout(60_000 * PATIENCE);
    const workbench = new Workbench(page, server);
    if (automation) {
      await page.exposeFunction('codeAutomationLog', automation.log ?? (() => undefined));
      await page.exposeFunction('codeAutomationExit', automation.exit);
    }
    await workbench.goto(folder, payload);
    return workbench;
  }

  async goto(folder?: string, payload?: OpenOptions['payload']): Promise<void> {
    const query = new URLSearchParams(folder ? { folder } : { ew: 'true' });
    if (payload) query.set('payload', JSON.stringify(payload));
    await this.page.goto(`${this.server.url}/?${query}`);
    await this.page.locator('.monaco-workbench').waitFor();
    await this.page.locator('.part.statusbar').waitFor();
  }

  close(): Promise<void> {
    return this.page.context().close();
  }

  async shot(file: string): Promise<void> {
    await this.page.mouse.move(1, 1);
    await this.page.screenshot({ path: file });
  }

  get quickInput(): Locator {
    return this.page.locator('.quick-input-widget');
  }

  /** Runs a command of the palette. Keys pressed while the workbench restores are lost, so it tries again. */
  async run(title: string): Promise<void> {
    const row = this.quickInput.locator('.monaco-list-row', { hasText: title }).first();
    for (let attempt = 0; ; attempt++) {
      await this.page.keyboard.press('F1');
      try {
        await this.quickInput.locator('input.input').waitFor({ state: 'visible', timeout: 2000 * PATIENCE });
        await this.quickInput.locator('input.input').fill(`>${title}`, { timeout: 3000 * PATIENCE });
        await row.waitFor({ timeout: 3000 * PATIENCE });
        break;
      } catch (error) {
        if (attempt >= 9) throw error;
        await this.page.keyboard.press('Escape');
      }
    }
    await row.click();
  }

  /** Picks an entry of the quick pick that is open. */
  async pick(text: string): Promise<void> {
    const row = this.quickInput.locator('.monaco-list-row', { hasText: text }).first();
    await row.waitFor();
    await row.click();
  }

  /** Runs a command and picks from its list by typing. */
  async choose(title: string, text: string): Promise<void> {
    await this.run(title);
    await this.quickInput.locator('.monaco-list-row', { hasNotText: title }).first().waitFor();
    await this.quickInput.locator('input.input').fill(text);
    await this.pick(text);
  }

  /** Types into the input box that is open, and accepts. */
  async answer(text: string): Promise<void> {
    const input = this.quickInput.locator('input.input');
    await input.waitFor({ state: 'visible' });
    await input.fill(text);
    await this.page.keyboard.press('Enter');
  }

  /** Gives a path to the file dialog that is open. It looks into folders as one types, and takes nothing meanwhile. */
  async answerPath(file: string): Promise<void> {
    const input = this.quickInput.locator('input.input');
    const accept = this.quickInput.locator('.quick-input-action .monaco-button').filter({ visible: true }).first();
    await accept.waitFor({ state: 'visible' });
    for (let attempt = 0; attempt < 8; attempt++) {
      await input.fill(file);
      await this.page.waitForTimeout(400 + 300 * attempt);
      // The dialog may have put its own proposal in the place of what was typed.
      const isTyped = async (): Promise<boolean> => (await input.inputValue()).startsWith(file);
      if (!(await isTyped())) continue;
      await this.page.waitForTimeout(250);
      if (!(await isTyped())) continue;
      await accept.click().catch(() => undefined);
      const gone = await accept.waitFor({ state: 'hidden', timeout: 2000 }).then(
        () => true,
        () => false,
      );
      if (gone) return;
    }
    throw new Error(`the file dialog did not take ${file}`);
  }

  /** Changes the colour theme of everything that is open. */
  async theme(name: string): Promise<void> {
    await this.run('Preferences: Color Theme');
    await this.quickInput.locator('.monaco-list-row').first().waitFor();
    await this.quickInput.locator('input.input').fill(name);
    await this.quickInput.locator('.monaco-list-row', { hasText: name }).first().waitFor();
    await this.page.waitForTimeout(300);
    await this.page.keyboard.press('Enter');
    await this.quickInput.waitFor({ state: 'hidden' });
  }

  /** A window that opens for the first time reads what editors extensions bring some seconds after it shows itself. */
  async settle(): Promise<void> {
    await this.activity('Espalier').waitFor();
    await this.page.waitForTimeout(10_000 * PATIENCE);
  }

  async quickOpen(name: string): Promise<void> {
    await this.page.keyboard.press('Control+p');
    await this.quickInput.locator('input.input').waitFor({ state: 'visible' });
    await this.quickInput.locator('input.input').fill(name);
    await this.quickInput.locator('.monaco-list-row', { hasText: name }).first().waitFor();
    await this.page.keyboard.press('Enter');
    await this.quickInput.waitFor({ state: 'hidden' });
  }

  status(text: string | RegExp): Locator {
    return this.page.locator('.part.statusbar .statusbar-item', { hasText: text });
  }

  tab(name: string | RegExp): Locator {
    return this.page.locator('.tabs-container .tab', { hasText: name });
  }

  notification(text: string | RegExp): Locator {
    return this.page.locator('.notifications-toasts .notification-list-item', { hasText: text });
  }

  async clearNotifications(): Promise<void> {
    await this.run('Notifications: Clear All Notifications');
  }

  activity(name: string): Locator {
    return this.page.locator(`.activitybar .action-item a[aria-label^="${name}"]`);
  }

  /** Shows our views; clicking the icon of what is shown would hide it. */
  async showViews(): Promise<void> {
    const shown = this.page.locator('.part.sidebar .split-view-view .pane', { hasText: 'Runs' }).first();
    for (let attempt = 0; attempt < 4; attempt++) {
      if (await shown.isVisible()) return;
      await this.activity('Espalier').click();
      await shown.waitFor({ timeout: 3000 }).catch(() => undefined);
    }
    await shown.waitFor();
  }

  /** A row of one of our views. */
  row(view: 'Models' | 'Groups' | 'Runs', text: string | RegExp): Locator {
    const pane = this.page
      .locator('.part.sidebar .pane')
      .filter({ has: this.page.locator('.pane-header', { hasText: view }) });
    return pane.locator('.monaco-list-row', { hasText: text });
  }

  /** Chooses from the context menu that is open; it takes no click right after it has opened. */
  async menu(text: string): Promise<void> {
    const item = this.page.locator('.context-view .action-menu-item', { hasText: text }).first();
    await item.waitFor();
    await this.page.waitForTimeout(400);
    await item.hover();
    await item.click();
    await item.waitFor({ state: 'detached' });
  }

  /** Right-clicks and chooses; again while the menu lacks the entry, as before an extension's contributions are read. */
  async contextMenu(target: Locator, text: string): Promise<void> {
    const item = this.page.locator('.context-view .action-menu-item', { hasText: text }).first();
    for (let attempt = 0; attempt < 10; attempt++) {
      await target.click({ button: 'right' });
      await item.waitFor({ timeout: 2000 }).catch(() => undefined);
      if (await item.isVisible()) break;
      await this.page.keyboard.press('Escape');
    }
    await this.menu(text);
  }

  get dialog(): Locator {
    return this.page.locator('.monaco-dialog-box');
  }

  /** page > iframe.webview > iframe#active-frame > our HTML. Hidden webviews stay in the page: take the last visible one. */
  webview(): FrameLocator {
    return this.page
      .locator(`iframe.webview.ready[src*="extensionId=${EXTENSION}"]`)
      .filter({ visible: true })
      .last()
      .contentFrame()
      .frameLocator('#active-frame');
  }
}

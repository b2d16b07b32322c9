/** What the tests in a browser begin with. */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { after, before } from 'node:test';
import type { Browser } from 'playwright-core';
import { launch } from './chromium.ts';
import { type TestModel, testModel } from './models.ts';
import { type PageName, type Site, serveWebviews, type ThemeName } from './site.ts';

export const THEMES: readonly ThemeName[] = ['dark', 'light', 'hc-black', 'hc-light'];

/** Where screenshots to look at go. */
export const OUT = path.resolve(import.meta.dirname, '../../../out/webview');

export interface Opened {
  readonly browser: Browser;
  readonly site: Site;
  /** ResNet-50. */
  readonly model: TestModel;
}

/** Begins before the tests of a suite, in which it is called, and ends after them. Its fields are there when they run. */
export function openBrowser(pages: readonly PageName[] = ['graph']): Opened {
  const opened: { -readonly [K in keyof Opened]?: Opened[K] } = {};
  before(async () => {
    mkdirSync(OUT, { recursive: true });
    opened.browser = await launch();
    [opened.site, opened.model] = await Promise.all([serveWebviews(pages), testModel('resnet50')]);
  });
  after(async () => {
    await opened.browser?.close();
    await opened.site?.close();
  });
  return opened as Opened;
}

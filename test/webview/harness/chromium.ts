/** Finds a Chromium for the browser tests; without one they are skipped. */
import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

const chromiumPath: string | undefined = [process.env['CHROMIUM'] ?? '', ...PLACES].find(
  (place) => place && existsSync(place),
);

/** For `test(…, { skip: noChromium })`. */
export const noChromium: string | false = chromiumPath === undefined && 'no Chromium: set CHROMIUM or install it';

/** Software rendering, as in CI: what is measured does not depend on a graphics card. */
export function launch(): Promise<Browser> {
  return chromium.launch({
    executablePath: chromiumPath,
    args: ['--no-sandbox', '--disable-gpu', '--hide-scrollbars'],
  });
}

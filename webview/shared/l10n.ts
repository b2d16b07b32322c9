/** Texts in the person's language: from the bundle that the host puts on the page, where VS Code has one. */

function readBundle(): Readonly<Record<string, string>> {
  const text = globalThis.document?.getElementById('l10n')?.textContent;
  if (!text) return {};
  try {
    return JSON.parse(text) as Record<string, string>;
  } catch {
    return {};
  }
}

const bundle = readBundle();

/** `t('{0} images', 12)`. The text must be a plain literal: scripts/generate-l10n.ts collects them. */
export function t(message: string, ...values: readonly (string | number)[]): string {
  return (bundle[message] ?? message).replace(/\{(\d+)\}/g, (whole, place) => String(values[Number(place)] ?? whole));
}

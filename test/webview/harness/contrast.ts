/** Text that stands out too little from what is behind it. */
import type { Page } from 'playwright-core';

/** WCAG 2.1, success criterion 1.4.3: text of this size or larger needs 3 : 1, smaller 4.5 : 1; themes stay a little below. */
const NEEDED = 3;

/**
 * Shown elements with text of their own (controls that are disabled left out) whose contrast is below 3 : 1, in words. Throws where
 * there is no text.
 */
export function lowContrast(page: Page): Promise<string[]> {
  return page.evaluate((needed) => {
    const channel = (value: number): number => (value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
    const parse = (text: string): number[] => (text.match(/[\d.]+/g) ?? []).map(Number);
    const over = ([r, g, b, a = 1]: number[], [R, G, B]: number[]): number[] =>
      [r, g, b].map((value, i) => value * a + [R, G, B][i] * (1 - a));
    const luminance = (rgb: number[]): number =>
      [0.2126, 0.7152, 0.0722].reduce((sum, weight, i) => sum + weight * channel(rgb[i] / 255), 0);
    const behind = (element: Element): number[] => {
      const layers: number[][] = [];
      for (let one: Element | null = element; one; one = one.parentElement)
        layers.unshift(parse(getComputedStyle(one).backgroundColor));
      return layers.reduce((below, layer) => (layer.length ? over(layer, below) : below), [255, 255, 255]);
    };
    const found: string[] = [];
    let seen = 0;
    for (const element of document.querySelectorAll('#root *')) {
      const own = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.textContent?.trim());
      const box = element.getBoundingClientRect();
      if (!own || box.width < 2 || element.closest('[disabled], .visually-hidden, svg, vscode-button')) continue;
      seen++;
      const style = getComputedStyle(element);
      const ground = behind(element);
      const [a, b] = [luminance(over(parse(style.color), ground)), luminance(ground)].sort((x, y) => y - x);
      const contrast = (a + 0.05) / (b + 0.05);
      if (contrast < needed) found.push(`${element.textContent?.slice(0, 40)}: ${contrast.toFixed(2)}`);
    }
    if (seen === 0) throw new Error('no text on the page');
    return found;
  }, NEEDED);
}

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Viewport } from '../../webview/graph/view/viewport.ts';

function fitted(width: number, content: number): Viewport {
  const viewport = new Viewport();
  viewport.resize(width, 600);
  viewport.contentWidth = content;
  viewport.fit(content, 400, true);
  return viewport;
}
const seen = ({ contentWidth, place }: Viewport) => [place.x, place.x + contentWidth * place.zoom];

test('a narrower pane keeps boxes whole and in the middle; a wider one gives the size back', () => {
  const viewport = fitted(600, 230);
  assert.equal(viewport.place.zoom, 1);
  viewport.resize(180, 600);
  const [left, right] = seen(viewport);
  assert.ok(left >= -1e-9 && right <= 180 + 1e-9, `${left} to ${right}`);
  assert.ok(Math.abs(left + right - 180) < 1e-9);
  viewport.resize(600, 600);
  assert.equal(viewport.place.zoom, 1);
  const [again, end] = seen(viewport);
  assert.ok(Math.abs(again + end - 600) < 1e-9);
});

test('text stays readable in the narrowest pane, and the size comes back from there too', () => {
  const viewport = fitted(600, 230);
  for (const width of [120, 60, 600]) viewport.resize(width, 600);
  assert.equal(viewport.place.zoom, 1);
  viewport.resize(60, 600);
  assert.equal(viewport.place.zoom, 0.6);
});

test('a size that was chosen by hand beyond the pane stays', () => {
  const viewport = fitted(400, 230);
  viewport.zoomAt(3, 200, 0);
  viewport.resize(300, 600);
  assert.equal(viewport.place.zoom, 3);
});

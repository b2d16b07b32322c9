/** The whole picture as an SVG document or a PNG, in the theme's colours. */
import { CanvasSurface } from './draw/canvas-surface.ts';
import type { Picture } from './draw/picture.ts';
import { drawPicture, EVERYTHING } from './draw/scene.ts';
import { SvgSurface } from './draw/svg-surface.ts';

/** Pixels of a PNG's longer side at most: browsers refuse larger canvases. */
const LONGEST = 16000;
const SHARPNESS = 2;

export function pictureAsSvg(picture: Picture): string {
  const context = document.createElement('canvas').getContext('2d');
  const surface = new SvgSurface((text, size, bold) => {
    if (!context) return text.length * size * 0.55;
    context.font = `${bold ? '600 ' : ''}${size}px ${picture.theme.fontFamily}`;
    return context.measureText(text).width;
  });
  drawPicture(surface, picture, EVERYTHING, 1);
  const { width, height } = picture.layout;
  return surface.document(width, height, picture.theme.background, picture.theme.fontFamily, picture.tree.view.name);
}

/** PNG as base64. Throws when the browser gives no canvas of that size. */
export function pictureAsPng(picture: Picture): string {
  const { width, height } = picture.layout;
  const scale = Math.min(SHARPNESS, LONGEST / Math.max(width, height));
  const canvas = document.createElement('canvas');
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  const context = canvas.getContext('2d', { alpha: false });
  if (!context) throw new Error('no canvas for the picture');
  context.fillStyle = picture.theme.background;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.setTransform(scale, 0, 0, scale, 0, 0);
  drawPicture(new CanvasSurface(context, picture.theme.fontFamily), picture, EVERYTHING, 1);
  const url = canvas.toDataURL('image/png');
  const data = url.slice(url.indexOf(',') + 1);
  if (!url.startsWith('data:image/png')) throw new Error('the picture is too large for a PNG: export it as SVG');
  return data;
}

/** Surface on a 2D canvas. Sets as little state as it can: the software renderer pays for each change. */
import type { Route } from '../layout/types.ts';
import { type BoxStyle, type LineStyle, type Surface, type TextStyle, traceRoute, truncator } from './surface.ts';

export class CanvasSurface implements Surface {
  readonly context: CanvasRenderingContext2D;
  readonly #fontFamily: string;
  readonly #fit: (text: string, style: TextStyle) => string;
  #font = '';

  constructor(context: CanvasRenderingContext2D, fontFamily: string) {
    this.context = context;
    this.#fontFamily = fontFamily;
    this.#fit = truncator((text, size, bold) => {
      this.#setFont(size, bold);
      return context.measureText(text).width;
    });
    context.textBaseline = 'middle';
    context.lineJoin = 'round';
  }

  /** After the canvas was resized all its state is gone. */
  reset(): void {
    this.#font = '';
    this.context.textBaseline = 'middle';
    this.context.lineJoin = 'round';
  }

  #setFont(size: number, bold: boolean): void {
    const font = `${bold ? '600 ' : ''}${size}px ${this.#fontFamily}`;
    if (font === this.#font) return;
    this.#font = font;
    this.context.font = font;
  }

  box(x: number, y: number, width: number, height: number, style: BoxStyle): void {
    const { context } = this;
    context.beginPath();
    if (style.radius) context.roundRect(x, y, width, height, style.radius);
    else context.rect(x, y, width, height);
    if (style.fill) {
      context.globalAlpha = (style.alpha ?? 1) * (style.fillAlpha ?? 1);
      context.fillStyle = style.fill;
      context.fill();
    }
    if (style.stroke) {
      context.globalAlpha = style.alpha ?? 1;
      context.strokeStyle = style.stroke;
      context.lineWidth = style.lineWidth ?? 1;
      if (style.dash?.length) context.setLineDash(style.dash as number[]);
      context.stroke();
      if (style.dash?.length) context.setLineDash([]);
    }
    context.globalAlpha = 1;
  }

  ribbon(route: Route, style: LineStyle): void {
    const { context } = this;
    context.beginPath();
    traceRoute(
      route,
      (x, y) => context.moveTo(x, y),
      (x, y) => context.lineTo(x, y),
      (x1, y1, x2, y2, x, y) => context.bezierCurveTo(x1, y1, x2, y2, x, y),
    );
    this.#stroke(style);
  }

  line(points: readonly number[], style: LineStyle): void {
    const { context } = this;
    context.beginPath();
    context.moveTo(points[0], points[1]);
    for (let i = 2; i < points.length; i += 2) context.lineTo(points[i], points[i + 1]);
    this.#stroke(style);
  }

  #stroke(style: LineStyle): void {
    const { context } = this;
    context.globalAlpha = style.alpha ?? 1;
    context.strokeStyle = style.stroke;
    context.lineWidth = style.lineWidth;
    if (style.dash?.length) context.setLineDash(style.dash as number[]);
    context.stroke();
    if (style.dash?.length) context.setLineDash([]);
    context.globalAlpha = 1;
  }

  triangle(points: readonly [number, number, number, number, number, number], fill: string, alpha = 1): void {
    const { context } = this;
    context.beginPath();
    context.moveTo(points[0], points[1]);
    context.lineTo(points[2], points[3]);
    context.lineTo(points[4], points[5]);
    context.closePath();
    context.globalAlpha = alpha;
    context.fillStyle = fill;
    context.fill();
    context.globalAlpha = 1;
  }

  text(x: number, y: number, text: string, style: TextStyle): void {
    const { context } = this;
    const shown = this.#fit(text, style);
    if (!shown) return;
    this.#setFont(style.size, style.bold ?? false);
    context.textAlign = style.align ?? 'left';
    context.globalAlpha = style.alpha ?? 1;
    context.fillStyle = style.fill;
    context.fillText(shown, x, y);
    context.globalAlpha = 1;
  }
}

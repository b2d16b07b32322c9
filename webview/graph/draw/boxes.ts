/** Boxes: layers, steps, closed modules and runs, open modules. One function a kind. */
import { formatMacs } from '../../shared/cost.ts';
import { type PlacedBox, SIZES } from '../layout/types.ts';
import { roughFigure } from '../model/describe.ts';
import type { Figures } from '../model/figures.ts';
import type { Item } from '../model/items.ts';
import { contents, ROOT, stacked } from '../model/tree.ts';
import { type Picture, widthText } from './picture.ts';
import type { BoxStyle, Surface } from './surface.ts';
import { scopeLook } from './theme.ts';

const NAME = 12;
const SMALL = 10.5;
const STRIPE = 4;
const BAR = 76;
const DIMMED = 0.42;

/** Classes that only hold others. */
const CONTAINERS = new Set(['Sequential', 'ModuleList', 'ModuleDict']);

/** Said on a layer that the person holds. */
const PINNED = { out: 'pin out', in: 'pin in', both: 'pinned' } as const;

/** Pixels on screen that a letter needs. */
const READABLE = 9.5;

/** Mean width of a letter of a name. */
const LETTER = 7.2;

/** An open module this wide has room beside its ribbon for what it holds. */
const WIDE = 330;

interface Drawn {
  readonly box: PlacedBox;
  readonly item: Item;
  readonly figures: Figures;
  /** 1, or less when something else is lit. */
  readonly alpha: number;
  readonly member: boolean;
}

function frame(picture: Picture, { box, alpha, member }: Drawn, radius: number): BoxStyle {
  const { theme, selection, hover } = picture;
  const selected = selection.item === box.item;
  return {
    fill: theme.surface,
    stroke: selected ? theme.selection : member ? theme.foreground : theme.border,
    lineWidth: selected ? 2.5 : member ? 1.8 : hover === box.item ? 1.6 : 1,
    radius,
    alpha,
  };
}

/** The keyboard's place: a dashed line around the box. */
function focusRing(surface: Surface, picture: Picture, { box }: Drawn): void {
  if (picture.focus !== box.item) return;
  const { x, y, width, height } = box;
  surface.box(x - 3.5, y - 3.5, width + 7, height + 7, {
    stroke: picture.theme.focus,
    lineWidth: 1.5,
    dash: [4, 3],
    radius: 5,
  });
}

/** Kept share of the channels in the scope's colour; below it the share of the model's MACs, by its square root: small ones show too. */
function bars(surface: Surface, picture: Picture, { figures: f, alpha }: Drawn, right: number, middle: number): void {
  const { theme, overlay, mode } = picture;
  const left = right - BAR;
  const { color } = scopeLook(theme, f.scope);
  if (overlay.planned && f.channels > 0) {
    const kept = (BAR * f.keptChannels) / f.channels;
    if (mode === 'dense') surface.box(left, middle - 5, BAR, 4, { fill: color, fillAlpha: 0.25, alpha });
    if (kept > 0) surface.box(left, middle - 5, kept, 4, { fill: color, alpha });
  }
  if (!f.macs) return;
  const full = Math.max(1.5, BAR * Math.sqrt(f.macs / overlay.figures[ROOT].macs));
  const y = overlay.planned && f.channels > 0 ? middle + 1 : middle - 2;
  if (mode === 'dense' && f.keptMacs < f.macs)
    surface.box(left, y, full, 4, { fill: theme.foreground, fillAlpha: 0.2, alpha });
  const kept = (full * f.keptMacs) / f.macs;
  if (kept > 0) surface.box(left, y, kept, 4, { fill: theme.foreground, fillAlpha: 0.6, alpha });
}

/** Stripe at the left edge: the scope, by colour and dashes. */
function stripe(surface: Surface, picture: Picture, { box, figures, alpha }: Drawn): void {
  if (figures.scope < 0) return;
  const { color, dash } = scopeLook(picture.theme, figures.scope);
  const x = box.x + STRIPE / 2 + 1;
  surface.line([x, box.y + 4, x, box.y + box.height - 4], { stroke: color, lineWidth: STRIPE, dash, alpha });
}

/** How much a layer matters: by its scores among its scope in the scope's colour, or by the heat of its sensitivity. */
function tintBox(surface: Surface, { theme, tint }: Picture, { box, figures: f, alpha }: Drawn): void {
  const share = tint === 'sensitivity' ? f.heat : f.importance;
  if (share === undefined || f.scope < 0) return;
  const look =
    tint === 'sensitivity'
      ? { fill: theme.heat, fillAlpha: 0.04 + 0.46 * share }
      : { fill: scopeLook(theme, f.scope).color, fillAlpha: 0.04 + 0.26 * share };
  surface.box(box.x + 1, box.y + 1, box.width - 2, box.height - 2, { ...look, radius: 2, alpha });
}

/** What stands before a layer's bar: its pins, its scope, and in the heat map its sensitivity. */
function marksOf({ overlay, tint }: Picture, { box, figures: f }: Drawn): string {
  const pinned = overlay.pins.get(box.item);
  const heat = tint === 'sensitivity' && f.sensitivity !== undefined ? roughFigure(f.sensitivity) : '';
  return [pinned ? PINNED[pinned] : '', f.scope >= 0 ? `s${f.scope}` : '', heat].filter(Boolean).join(' · ');
}

function layer(surface: Surface, picture: Picture, drawn: Drawn): void {
  const { box, item, figures: f, alpha } = drawn;
  const { theme, mode } = picture;
  surface.box(box.x, box.y, box.width, box.height, frame(picture, drawn, 3));
  tintBox(surface, picture, drawn);
  stripe(surface, picture, drawn);
  const width = widthText(f.width, f.keptWidth, mode);
  const right = box.x + box.width - 9;
  surface.text(right, box.y + 13, width, { fill: theme.foreground, size: NAME, align: 'right', alpha });
  const room = box.width - 30 - width.length * LETTER;
  surface.text(box.x + 12, box.y + 13, item.name, {
    fill: theme.foreground,
    size: NAME,
    bold: true,
    maxWidth: room,
    alpha,
  });
  surface.text(box.x + 12, box.y + 28, item.type, {
    fill: theme.muted,
    size: SMALL,
    maxWidth: box.width - BAR - 34,
    alpha,
  });
  bars(surface, picture, drawn, right, box.y + 28);
  const marks = marksOf(picture, drawn);
  if (marks) surface.text(right - BAR - 6, box.y + 28, marks, { fill: theme.muted, size: 9, align: 'right', alpha });
}

function step(surface: Surface, picture: Picture, drawn: Drawn): void {
  const { box, item, alpha } = drawn;
  const { theme } = picture;
  surface.box(box.x, box.y, box.width, box.height, frame(picture, drawn, box.height / 2));
  const middle = box.y + box.height / 2 + 0.5;
  const same = item.name === item.type;
  surface.text(box.x + box.width - 10, middle, same ? '' : item.type, {
    fill: theme.muted,
    size: SMALL,
    align: 'right',
    maxWidth: 88,
    alpha,
  });
  surface.text(box.x + 10, middle, item.name, {
    fill: theme.foreground,
    size: SMALL,
    maxWidth: same ? box.width - 20 : box.width - 24 - Math.min(88, item.type.length * 5.6),
    alpha,
  });
}

function arrow(surface: Surface, picture: Picture, x: number, y: number, open: boolean, alpha: number): void {
  const { foreground } = picture.theme;
  if (open) surface.triangle([x - 4, y - 2.5, x + 4, y - 2.5, x, y + 3.5], foreground, alpha);
  else surface.triangle([x - 2.5, y - 4, x - 2.5, y + 4, x + 3.5, y], foreground, alpha);
}

function closed(surface: Surface, picture: Picture, drawn: Drawn): void {
  const { box, item, figures: f, alpha } = drawn;
  const { theme, tree, mode } = picture;
  const style = frame(picture, drawn, 4);
  const stack = stacked(picture.tree, box.item);
  if (stack)
    for (const offset of [6, 3])
      surface.box(box.x + offset, box.y - offset, box.width - 2 * offset, box.height, {
        ...style,
        lineWidth: 1,
        stroke: theme.border,
      });
  surface.box(box.x, box.y, box.width, box.height, style);
  arrow(surface, picture, box.x + 12, box.y + 15, false, alpha);
  const width = widthText(f.width, f.keptWidth, mode);
  const right = box.x + box.width - 9;
  surface.text(right, box.y + 15, width, { fill: theme.foreground, size: NAME, align: 'right', alpha });
  const name = stack ? `${item.name} ×${stack}` : item.name;
  const room = box.width - 40 - width.length * LETTER;
  surface.text(box.x + 22, box.y + 15, name, { fill: theme.foreground, size: NAME, bold: true, maxWidth: room, alpha });
  const detail = stack ? tree.items[item.children[0]].type : contentsText(picture, box.item);
  surface.text(box.x + 22, box.y + 33, detail, {
    fill: theme.muted,
    size: SMALL,
    maxWidth: box.width - BAR - 44,
    alpha,
  });
  bars(surface, picture, drawn, right, box.y + 33);
  if (f.removed)
    surface.line([box.x, box.y + box.height / 2, box.x + box.width, box.y + box.height / 2], {
      stroke: theme.warning,
      lineWidth: 2,
    });
  const count = picture.badges.get(box.item);
  if (count) badge(surface, picture, box, count);
}

/** Its class where that says something, else what it holds. */
function contentsText({ tree }: Picture, index: number): string {
  const { type } = tree.items[index];
  return type && !CONTAINERS.has(type) ? type : contents(tree, index);
}

/** How many members of the lit groups a closed box hides. */
function badge(surface: Surface, { theme }: Picture, box: PlacedBox, count: number): void {
  const text = String(count);
  const width = Math.max(18, 10 + text.length * 7);
  const x = box.x + box.width - width + 7;
  surface.box(x, box.y - 9, width, 18, { fill: theme.badge, stroke: theme.foreground, radius: 9 });
  surface.text(x + width / 2, box.y + 0.5, text, { fill: theme.badgeText, size: SMALL, bold: true, align: 'center' });
}

/** Background and name of an open module. */
export function drawContainer(surface: Surface, picture: Picture, box: PlacedBox): void {
  const { theme, tree, selection, hover } = picture;
  const selected = selection.item === box.item;
  surface.box(box.x, box.y, box.width, box.height, {
    fill: theme.foreground,
    fillAlpha: theme.highContrast ? 0 : 0.025,
    stroke: selected ? theme.selection : theme.border,
    lineWidth: selected ? 2.5 : hover === box.item ? 1.6 : 1,
    dash: stacked(tree, box.item) ? [4, 3] : undefined,
    radius: 5,
  });
}

/** Where the name line of an open module begins: at its left edge, or at the screen's while that lies outside. */
export function nameStart(box: PlacedBox, screenLeft: number): number {
  return Math.min(Math.max(box.x, screenLeft), box.x + Math.max(0, box.width - 120));
}

/** Name line of an open module: after the ribbons, so that it stays readable. */
export function drawContainerName(surface: Surface, picture: Picture, box: PlacedBox, screenLeft: number): void {
  const { theme, tree, overlay } = picture;
  const item = tree.items[box.item];
  const y = box.y + SIZES.header / 2 + 1;
  const start = nameStart(box, screenLeft);
  arrow(surface, picture, start + 12, y, true, 1);
  const stack = stacked(tree, box.item);
  const name = stack ? `${item.name} ×${stack}` : item.name;
  const room = box.x + box.width - start - 40;
  surface.text(start + 22, y, name, { fill: theme.foreground, size: NAME, bold: true, maxWidth: room });
  const { macs, keptMacs } = overlay.figures[box.item];
  const count = overlay.planned && picture.mode === 'pruned' ? keptMacs : macs;
  // In a narrow module the longer text would lie on the ribbon.
  const what = box.width >= WIDE ? contentsText(picture, box.item) : '';
  const detail = [what, count ? formatMacs(count) : ''].filter(Boolean).join(' · ');
  const left = Math.max(0, room - name.length * LETTER);
  surface.text(box.x + box.width - 10, y, detail, { fill: theme.muted, size: SMALL, align: 'right', maxWidth: left });
  if (picture.focus === box.item)
    focusRing(surface, picture, { box, item, figures: overlay.figures[box.item], alpha: 1, member: false });
}

/** Any closed box. Without `detailed` only its outline: text would be too small to read. */
export function drawBox(surface: Surface, picture: Picture, box: PlacedBox, detailed: boolean, zoom: number): void {
  const { tree, overlay, highlight, badges, selection } = picture;
  const item = tree.items[box.item];
  const member = item.node >= 0 ? highlight.members.has(item.node) : badges.has(box.item);
  const dimmed = highlight.groups.length > 0 && !member && selection.item !== box.item;
  const drawn: Drawn = {
    box,
    item,
    figures: overlay.figures[box.item],
    alpha: dimmed ? DIMMED : overlay.figures[box.item].removed && picture.mode === 'dense' ? 0.5 : 1,
    member,
  };
  if (!detailed) outline(surface, picture, drawn, zoom);
  else if (item.kind !== 'node') closed(surface, picture, drawn);
  else if (tree.view.nodes[item.node].inWidth > 0) layer(surface, picture, drawn);
  else step(surface, picture, drawn);
  focusRing(surface, picture, drawn);
}

/** From far away: the box in its scope's colour, and its name as long as that can be read. */
function outline(surface: Surface, picture: Picture, drawn: Drawn, zoom: number): void {
  const { box, item, figures, alpha } = drawn;
  surface.box(box.x, box.y, box.width, box.height, frame(picture, drawn, 0));
  if (figures.scope >= 0) {
    const { color } = scopeLook(picture.theme, figures.scope);
    surface.box(box.x + 2, box.y + 2, box.width - 4, box.height - 4, { fill: color, fillAlpha: 0.45, alpha });
  }
  const size = Math.round(READABLE / zoom);
  if (size > box.height * 0.85) return;
  surface.text(box.x + box.width / 2, box.y + box.height / 2, item.name, {
    fill: picture.theme.foreground,
    size,
    align: 'center',
    maxWidth: box.width - 8,
    alpha,
  });
}

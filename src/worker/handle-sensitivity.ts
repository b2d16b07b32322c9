/** Measuring what each group is worth, before anything is pruned. */
import path from 'node:path';
import { formatInteger } from '../common/format.ts';
import { createExecutor } from '../engine/compute/backends.ts';
import type { ErrorCurve } from '../engine/pruning/allocation/allocate.ts';
import type { ErrorCurveView, SensitivityView } from '../protocol/graph-view.ts';
import type { SensitivitySettings } from '../protocol/sensitivity-values.ts';
import { backendOptions } from './backend.ts';
import { findCurves, measureCurves } from './find-curves.ts';
import { findScores } from './find-scores.ts';
import type { Handler } from './handler.ts';
import { findModel, type OpenModel } from './open-models.ts';

/** Points that a curve is drawn of. */
const POINTS = 48;

function drawn({ errors }: ErrorCurve): ErrorCurveView {
  const width = errors.length - 1;
  const count = Math.min(width, POINTS);
  const widths = Array.from({ length: count + 1 }, (_, i) => Math.round((i * width) / count));
  return { widths, errors: widths.map((k) => errors[k]) };
}

function viewOf(open: OpenModel, curves: readonly ErrorCurve[], settings: SensitivitySettings): SensitivityView {
  const byGroup = new Map(curves.map((curve) => [curve.group, drawn(curve)]));
  return {
    label: `${formatInteger(settings.images)} images of ${path.basename(settings.dataPath)}`,
    settings,
    groups: open.groupsView.groups.map((_, group) => byGroup.get(group) ?? null),
  };
}

export const runSensitivity: Handler<'sensitivity/run'> = async ({ source, scores, settings }, context) => {
  const open = await findModel(source);
  await findScores(open, scores, context);
  const curves = await measureCurves(open, scores, settings, () => createExecutor(backendOptions()), context);
  return viewOf(open, curves, settings);
};

export const cachedSensitivity: Handler<'sensitivity/cached'> = async ({ source, scores, settings }, context) => {
  const open = await findModel(source);
  if (!(await findScores(open, scores, context))) return null;
  const curves = await findCurves(open, scores, settings, context);
  return curves ? viewOf(open, curves, settings) : null;
};

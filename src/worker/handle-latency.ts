/** Measuring what a network's layers take on this machine. */
import { findScores } from './find-scores.ts';
import { findTimes, measureTimes } from './find-times.ts';
import type { Handler } from './handler.ts';
import { findModel } from './open-models.ts';
import { plannerOf, targetOptions } from './plans.ts';
import { mayBeTimed } from './time-plans.ts';

export const runLatency: Handler<'latency/run'> = async ({ source, scores, plan, anew = false }, context) => {
  mayBeTimed(plan);
  const open = await findModel(source);
  if (scores) await findScores(open, scores, context);
  // Times hold for every pin: none is there while they are measured.
  const planner = plannerOf(open, scores, { ...plan, pins: [], ignore: [] });
  return (await measureTimes(open, planner, targetOptions(plan), context, anew)).view;
};

export const cachedLatency: Handler<'latency/cached'> = async ({ source, roundTo }) => {
  const times = await findTimes(await findModel(source), roundTo);
  return times?.view ?? null;
};

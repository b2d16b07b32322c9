/** What a person and a program read of a target in milliseconds. */
import type { LatencyReport } from '../engine/jobs/latency/latency-plans.ts';
import type { PruneReport } from '../engine/jobs/prune.ts';

type Latency = NonNullable<PruneReport['latency']>;

const ms = (time: number): string => `${time.toFixed(2)} ms`;
const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

const errors = ({ heldOut }: NonNullable<LatencyReport['model']>): readonly number[] =>
  heldOut.map(({ predicted, measured }) => Math.abs(predicted / measured - 1));

function roundingLines({ rounding }: LatencyReport): readonly string[] {
  if (!rounding) return [];
  const { rows, roundTo, segments } = rounding;
  const row = rows.map(({ multiple, slowness }) => `${multiple}: ${slowness.toFixed(2)}×`).join('  ');
  return [`widths, odd multiples of N, time for each MAC (${segments.length} layers)  ${row}`, `rounded to ${roundTo}`];
}

export function latencyText(latency: Latency): string {
  const { where, model, choice } = latency;
  if (!model || !choice) return [where, ...roundingLines(latency)].join('\n');
  const { segments, dense, milliseconds } = model;
  const found = errors(model);
  const mean = found.reduce((sum, error) => sum + error, 0) / found.length;
  const candidates = choice.candidates.map(
    ({ predicted, measured, macs }) =>
      `  ${(macs / 1e6).toFixed(1).padStart(9)} M MACs  predicted ${ms(predicted)}  measured ${ms(measured)}${measured === choice.chosen.measured ? '  taken' : ''}`,
  );
  return [
    where,
    ...roundingLines(latency),
    `${segments.kinds} kinds of layers at ${segments.measured + segments.cached} widths (${segments.cached} known), ${segments.refined} on the finer grid`,
    `error on ${found.length} networks held out: mean ${percent(mean)}, largest ${percent(Math.max(...found))}`,
    ...candidates,
    `latency ${ms(dense)} → ${ms(choice.chosen.measured)} (asked ${ms(milliseconds)})`,
  ].join('\n');
}

export function latencyJson({ where, model, rounding, choice }: Latency): object {
  return {
    where,
    ...(rounding && { rounding }),
    ...(model && {
      target_ms: model.milliseconds,
      dense_ms: model.dense,
      fit: model.fit,
      held_out: model.heldOut,
      segments: model.segments,
    }),
    ...(choice && {
      predicted_ms: choice.chosen.predicted,
      measured_ms: choice.chosen.measured,
      candidates: choice.candidates,
    }),
  };
}

/** What an evaluation of outputs found, as a command's result. */
import { formatPercent, formatPreciseCount } from '../common/format.ts';
import type { OutputsReport } from '../engine/jobs/evaluate-outputs.ts';
import type { CommandResult } from './command.ts';
import { say } from './terminal.ts';

const figures = (report: OutputsReport): string[] => {
  const { agreement, detection, segmentation } = report;
  return [
    ...(detection
      ? [
          `mAP50 ${formatPercent(detection.map50)}, mAP50:95 ${formatPercent(detection.map)} on ${detection.images} images (${detection.objects} objects of ${detection.classes} classes)`,
        ]
      : []),
    ...(segmentation
      ? [
          `mIoU ${formatPercent(segmentation.miou)} over ${segmentation.classes} classes, ${formatPercent(segmentation.pixelAccuracy)} of the pixels right, on ${segmentation.images} images`,
        ]
      : []),
    ...(agreement?.outputs ?? []).map(
      ({ name, relativeError, cosine }) =>
        `output ${name}: relative error ${formatPercent(relativeError)}, cosine ${cosine.toFixed(5)} to the dense network on ${agreement?.images} images`,
    ),
  ];
};

export function outputsResult(name: string, report: OutputsReport): CommandResult {
  const { agreement, detection, segmentation, macs, macsTrue, params, images, imagesPerSecond, backend } = report;
  for (const note of report.notes) say(note);
  for (const [file, reason] of report.skipped) say(`skipped ${file}: ${reason}`);
  return {
    json: {
      ...(detection && { map50: detection.map50, map: detection.map, objects: detection.objects }),
      ...(segmentation && { miou: segmentation.miou, pixel_accuracy: segmentation.pixelAccuracy }),
      ...(agreement && {
        agreement: agreement.outputs.map(({ name: output, relativeError, cosine }) => ({
          output,
          relative_error: relativeError,
          cosine,
        })),
        distance: agreement.loss,
      }),
      images,
      skipped: report.skipped.size,
      macs,
      macs_true: macsTrue,
      params,
      images_per_second: imagesPerSecond,
      backend,
    },
    text: [
      `${name}: MACs ${formatPreciseCount(macs)}, params ${formatPreciseCount(params)}`,
      ...figures(report),
      `${imagesPerSecond.toFixed(1)} images/s (${backend})`,
    ].join('\n'),
  };
}

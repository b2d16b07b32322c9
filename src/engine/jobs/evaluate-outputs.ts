/**
 * Evaluation of networks by what they give, whatever it means: agreement with the dense network, boxes of detectors, maps of
 * segmenters. One pass over the images.
 */
import sharp from 'sharp';
import { UserError } from '../../common/errors.ts';
import type { RunContext } from '../../common/progress.ts';
import { createExecutor } from '../compute/backends.ts';
import type { Executor } from '../compute/executor.ts';
import { predictProgram } from '../compute/programs/programs.ts';
import { findDetectionData, readBoxes } from '../data/detection-data.ts';
import { wholeImageBox } from '../data/geometry.ts';
import { findImages } from '../data/list-images.ts';
import type { Batch } from '../data/loader.ts';
import { maskFile, placeMask, readMask } from '../data/masks.ts';
import type { Graph } from '../graph/graph.ts';
import { type Cost, graphCost } from '../graph/macs.ts';
import { sizePerImage } from '../graph/shapes.ts';
import type { Weights } from '../graph/tensor.ts';
import { type Agreement, AgreementSum } from '../training/agreement.ts';
import { AveragePrecisionSum, type DetectionMetrics } from '../training/detection/average-precision.ts';
import { type Detection, suppress } from '../training/detection/boxes.ts';
import { decodeBoxes, findForm, type Placement } from '../training/detection/decode.ts';
import { DenseNetwork, varyingOutputs } from '../training/imitation.ts';
import type { OutputSpec } from '../training/output-statistics.ts';
import { IGNORED, type SegmentationMetrics, SegmentationSum } from '../training/segmentation.ts';
import { type DataRequest, evaluationLoader } from './evaluate.ts';
import { requireImages } from './image-input.ts';
import { requireSameOutputs } from './teacher.ts';

export interface OutputsReport extends Cost {
  readonly images: number;
  readonly imagesPerSecond: number;
  readonly backend: string;
  readonly notes: readonly string[];
  /** Unreadable images, with the reason. */
  readonly skipped: ReadonlyMap<string, string>;
  readonly agreement?: Agreement;
  readonly detection?: DetectionMetrics;
  readonly segmentation?: SegmentationMetrics;
}

interface Network {
  readonly graph: Graph;
  readonly weights: Weights;
}

export interface OutputsRequest extends DataRequest {
  /** Hears the boxes of every image that are counted, for who wants them. */
  readonly onBoxes?: (file: string, found: readonly Detection[]) => void;
}

type Values = Readonly<Record<string, Float32Array>>;

/** Looks at every batch's outputs. */
interface Judge {
  add(values: Values, batch: Batch): Promise<void>;
  readonly result: Pick<OutputsReport, 'agreement' | 'detection' | 'segmentation'>;
}

/** Boxes of a lower score are not looked at, and so many stay: as detectors of the YOLO families are evaluated. */
const LEAST_SCORE = 0.001;
const MOST_BOXES = 300;

/** Where an image of this size lies in the network's square. */
async function placementOf(file: string, { name, input }: Graph): Promise<Placement> {
  if (!input.fit)
    throw new UserError(
      `${name} is given the centre of each image, so that labels of whole images do not fit: say --fit stretch or letterbox.`,
    );
  const { width, height } = await sharp(file).metadata();
  return wholeImageBox({ width, height }, input.width, input.fit);
}

async function detectionJudge(graph: Graph, request: OutputsRequest, notes: string[]): Promise<Judge | undefined> {
  const data = await findDetectionData(request.dataPath);
  if (!data) return undefined;
  const classes = data.names.length;
  const found = findForm(varyingOutputs(graph), classes, graph.name);
  const { form, output } = found;
  notes.push(
    `output ${output.name} is taken as boxes in ${form.name}'s form, of ${classes} classes; suppressed at an overlap of ${form.overlap}`,
  );
  const sum = new AveragePrecisionSum();
  const size = sizePerImage(output.shape);
  return {
    add: async (values, { files }) => {
      for (const [i, file] of files.entries()) {
        const own = values[output.name].subarray(i * size, (i + 1) * size);
        const [place, labelled] = await Promise.all([placementOf(file, graph), readBoxes(file, classes)]);
        const boxes = decodeBoxes(found, own, graph.input.width, place, LEAST_SCORE);
        const kept = suppress(boxes, { overlap: form.overlap, most: MOST_BOXES });
        request.onBoxes?.(file, kept);
        sum.add(
          kept,
          labelled.map(({ label, x, y, width, height }) => ({
            label,
            left: x - width / 2,
            top: y - height / 2,
            right: x + width / 2,
            bottom: y + height / 2,
          })),
        );
      }
    },
    get result() {
      return { detection: sum.result };
    },
  };
}

/** The output that holds a map of classes: the first of [N, classes, H, W]. */
const mapOf = (outputs: readonly OutputSpec[]): OutputSpec | undefined =>
  outputs.find(({ shape }) => shape.length === 4 && shape[1] > 1);

function segmentationJudge(
  graph: Graph,
  samples: readonly { readonly file: string }[],
  notes: string[],
): Judge | undefined {
  if (!maskFile(samples[0].file)) return undefined;
  const output = mapOf(varyingOutputs(graph));
  if (!output)
    throw new UserError(`${graph.name} has no output [N, classes, rows, columns] to compare with the masks.`);
  const [, classes, height, width] = output.shape;
  notes.push(
    `output ${output.name} is compared with the masks at ${width} × ${height} pixels, ${IGNORED} being no class`,
  );
  const sum = new SegmentationSum(classes);
  const size = sizePerImage(output.shape);
  return {
    add: async (values, { files }) => {
      for (const [i, file] of files.entries()) {
        const masked = maskFile(file);
        if (!masked) throw new UserError(`${file} has no mask under masks/.`);
        const [place, mask] = await Promise.all([placementOf(file, graph), readMask(masked)]);
        const [sx, sy] = [width / graph.input.width, height / graph.input.height];
        const box = { left: place.left * sx, top: place.top * sy, width: place.width * sx, height: place.height * sy };
        const labels = placeMask(mask, { width, height }, box, IGNORED);
        try {
          sum.add(values[output.name].subarray(i * size, (i + 1) * size), labels);
        } catch (error) {
          throw error instanceof RangeError ? new UserError(`${masked}: ${error.message}.`) : error;
        }
      }
    },
    get result() {
      return { segmentation: sum.result };
    },
  };
}

function agreementJudge(dense: DenseNetwork): Judge {
  const sum = new AgreementSum(dense.outputs, dense.statistics);
  return {
    add: async (values, { images, count }) => sum.add(await dense.run(images), values, count),
    get result() {
      return { agreement: sum.result };
    },
  };
}

/**
 * @param teacher the dense network; without it the data must say what is right: boxes in YOLO's form, or masks
 * @throws UserError where there is nothing to compare with, or outputs and data do not fit
 */
export async function evaluateOutputs(
  model: Network,
  request: OutputsRequest,
  options: { readonly executor?: Executor; readonly teacher?: Network } = {},
  context: RunContext = {},
): Promise<OutputsReport> {
  const { graph, weights } = model;
  const { teacher } = options;
  requireImages(graph);
  if (teacher) requireSameOutputs(teacher.graph, graph);
  const notes: string[] = [];
  const { samples } = await findImages(request.dataPath, request.split ?? 'val');
  const judges = [(await detectionJudge(graph, request, notes)) ?? segmentationJudge(graph, samples, notes)].filter(
    (judge) => judge !== undefined,
  );
  if (!judges.length && !teacher)
    throw new UserError(
      `${graph.name} is not a classifier, and ${request.dataPath} has neither boxes (data.yaml, labels/) nor masks (images/, masks/): ` +
        'give --teacher DENSE, and it is compared with the outputs of the dense network, on images without labels.',
    );
  const executor = options.executor ?? (await createExecutor());
  const loader = evaluationLoader(graph, { samples }, request);
  const session = await executor.open({ predict: predictProgram(graph) }, context);
  let dense: DenseNetwork | undefined;
  try {
    dense = teacher && (await DenseNetwork.open(teacher, loader, executor, context));
    if (dense) judges.push(agreementJudge(dense));
    await session.assign(weights);
    let images = 0;
    let timed = 0;
    let seconds = 0;
    for await (const batch of loader.batches(context.signal ? { signal: context.signal } : {})) {
      const started = performance.now();
      const values = await session.run('predict', { images: batch.images });
      // The first batch also waits for the graph to be compiled.
      if (images > 0 || batch.count === loader.entries) {
        seconds += (performance.now() - started) / 1000;
        timed += batch.count;
      }
      requireNumbers(values, batch);
      for (const judge of judges) await judge.add(values, batch);
      images += batch.count;
      context.progress?.({ phase: 'evaluate', done: images, total: loader.entries });
    }
    return {
      ...Object.assign({}, ...judges.map(({ result }) => result)),
      ...graphCost(graph),
      images,
      imagesPerSecond: timed / seconds,
      backend: executor.label,
      notes,
      skipped: loader.skipped,
    };
  } finally {
    await loader.close();
    await session.dispose();
    await dense?.close();
  }
}

function requireNumbers(values: Values, { files, count }: Batch): void {
  for (const [name, numbers] of Object.entries(values)) {
    const at = numbers.findIndex((value) => !Number.isFinite(value));
    if (at >= 0)
      throw new UserError(
        `The output ${name} is ${numbers[at]} for ${files[Math.floor((at * count) / numbers.length)]}: its numbers overflow. ` +
          'The weights are damaged, or belong to another network or input.',
      );
  }
}

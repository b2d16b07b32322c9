/** Networks and work that are measured against PyTorch. */
import type { BackendName } from '../../src/engine/compute/executor.ts';
import type { ProductType } from '../../src/engine/compute/tensorflow/lowering-context.ts';

export interface ComputeTask {
  readonly kind: 'predict' | 'train' | 'score';
  /** What the row is called, and what words on the command line are looked for in. */
  readonly name: string;
  readonly model: string;
  readonly batch: number;
  readonly size: number;
  readonly classes: number;
  readonly layout: 'channels_last' | 'contiguous';
  readonly backend: BackendName;
  readonly products: ProductType;
  /** Ratio to PyTorch that is asked for. */
  readonly atLeast?: number;
  /** Runs in a turn at most. */
  readonly most?: number;
}

type Work = ComputeTask['kind'] | 'predict bfloat16' | 'train bfloat16';

interface ModelLine {
  readonly model: string;
  readonly batch?: number;
  readonly size?: number;
  readonly classes?: number;
  readonly layout?: ComputeTask['layout'];
  /** The ratio to PyTorch asked for with TensorFlow, undefined where none is. */
  readonly work: Partial<Readonly<Record<Work, number | undefined>>>;
  /** The ratios asked for with ONNX Runtime: evaluation, train step. */
  readonly embedded: readonly [predict: number, train: number];
}

const LINES: readonly ModelLine[] = [
  {
    model: 'resnet20',
    batch: 64,
    size: 32,
    classes: 10,
    work: { predict: undefined, train: undefined },
    embedded: [1.2, 0.75],
  },
  { model: 'resnet50', work: { predict: 1.6, train: 1.1, score: 1 }, embedded: [1.2, 0.75] },
  {
    model: 'deit_tiny_distilled_patch16_224',
    layout: 'contiguous',
    work: { predict: 1.15, train: 0.9, 'predict bfloat16': 1.7, 'train bfloat16': 1.3, score: 1 },
    embedded: [1.2, 0.75],
  },
  { model: 'convnext_tiny', work: { predict: 1, train: 1 }, embedded: [1, 0.5] },
  { model: 'swin_tiny_patch4_window7_224', layout: 'contiguous', work: { predict: 1, train: 1 }, embedded: [1, 0.75] },
  { model: 'mobilenetv2_100', work: { predict: 1, train: 1 }, embedded: [1.2, 0.5] },
];

/** Scoring takes batches of 64, ten of them. */
const SCORE_BATCH = 64;
const SCORE_BATCHES = 10;

const LABELS: { readonly [K in ComputeTask['kind']]: string } = {
  predict: 'evaluate',
  train: 'train step',
  score: 'taylor scoring',
};

function taskOf(line: ModelLine, work: Work, backend: BackendName): ComputeTask {
  const { model, size = 224, classes = 1000, layout = 'channels_last' } = line;
  const [kind, products = 'float32'] = work.split(' ') as [ComputeTask['kind'], ProductType?];
  const batch = kind === 'score' ? SCORE_BATCH : (line.batch ?? 16);
  const atLeast = backend === 'tensorflow' ? line.work[work] : line.embedded[kind === 'predict' ? 0 : 1];
  const marks = [backend === 'embedded' && 'embedded', products !== 'float32' && products].filter(Boolean);
  return {
    kind,
    name: [`${model} ${LABELS[kind]}, batch ${batch}`, ...marks].join(', '),
    model,
    batch,
    size,
    classes,
    layout,
    backend,
    products,
    ...(atLeast !== undefined && { atLeast }),
    ...(kind === 'score' && { most: SCORE_BATCHES }),
  };
}

/** ONNX Runtime knows no bfloat16 here, and scoring is what its train step is. */
const isMeasured = (work: Work, backend: BackendName): boolean =>
  backend === 'tensorflow' || work === 'predict' || work === 'train';

export const computeTasks = (backend: BackendName): readonly ComputeTask[] =>
  LINES.flatMap((line) =>
    (Object.keys(line.work) as Work[])
      .filter((work) => isMeasured(work, backend))
      .map((work) => taskOf(line, work, backend)),
  );

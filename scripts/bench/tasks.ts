/** What the benchmark runs. */
import type { BackendChoice } from '../../src/compute/backends.ts';

export interface Task {
  readonly name: string;
  readonly model: string;
  readonly kind: 'predict' | 'train' | 'score';
  readonly batch: number;
  readonly size: number;
  readonly classes: number;
  readonly threads: number;
  readonly layout: 'channels_last' | 'contiguous';
  readonly backend: BackendChoice;
}

interface ModelLine {
  readonly model: string;
  readonly batch: number;
  readonly size?: number;
  readonly classes?: number;
  readonly kinds: readonly Task['kind'][];
  readonly layout?: Task['layout'];
}

const LINES: readonly ModelLine[] = [
  { model: 'resnet20', batch: 64, size: 32, classes: 10, kinds: ['predict', 'train'] },
  { model: 'resnet50', batch: 16, kinds: ['predict', 'train', 'score'] },
  { model: 'deit_tiny_distilled_patch16_224', batch: 16, kinds: ['predict', 'train', 'score'], layout: 'contiguous' },
  { model: 'convnext_tiny', batch: 16, kinds: ['predict', 'train'] },
  { model: 'swin_tiny_patch4_window7_224', batch: 16, kinds: ['predict', 'train'], layout: 'contiguous' },
  { model: 'mobilenetv2_100', batch: 16, kinds: ['predict', 'train'] },
];

/** Tasks whose name has one of the words; all without words. */
export function tasks(words: readonly string[], threads: number, backend: BackendChoice): readonly Task[] {
  return LINES.flatMap(({ kinds, size = 224, classes = 1000, layout = 'channels_last', ...line }) =>
    kinds.map((kind) => ({
      ...line,
      kind,
      size,
      classes,
      layout,
      threads,
      backend,
      name: `${line.model} ${kind} ${line.batch}`,
    })),
  ).filter(({ name }) => words.length === 0 || words.some((word) => name.includes(word)));
}

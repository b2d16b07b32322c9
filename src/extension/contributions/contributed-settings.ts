/** Settings, with their types, defaults and texts. */
import { CRITERIA, CRITERION_NAMES, type Criterion } from '../../common/criteria.ts';

interface SettingOf<T> {
  readonly description: string;
  readonly default: T;
  readonly scope: 'window' | 'resource' | 'machine';
}

export type SettingContribution =
  | (SettingOf<string> & { readonly type: 'string' })
  | (SettingOf<boolean> & { readonly type: 'boolean' })
  | (SettingOf<number> & { readonly type: 'number' | 'integer'; readonly minimum: number; readonly maximum?: number })
  | (SettingOf<string> & { readonly type: 'string'; readonly choices: Readonly<Record<string, string>> })
  | (SettingOf<readonly string[]> & { readonly type: 'array' });

const criterionChoices = Object.fromEntries(
  CRITERION_NAMES.map((criterion) => [criterion, CRITERIA[criterion].explanation]),
) as { readonly [C in Criterion]: string };

export const settings = {
  'espalier.backend': {
    type: 'string',
    default: 'auto',
    scope: 'machine',
    description: 'What computes: scoring, evaluation and finetuning.',
    choices: {
      auto: 'TensorFlow when its runtime is installed, else ONNX Runtime, which comes with Espalier.',
      tensorflow: 'TensorFlow; an error when its runtime is not installed.',
      embedded: 'ONNX Runtime, which comes with Espalier: nothing to install, the same results.',
    },
  },
  'espalier.device': {
    type: 'string',
    default: 'cpu',
    scope: 'machine',
    description: 'Where ONNX Runtime evaluates and scores.',
    choices: {
      cpu: 'The processor.',
      gpu: 'The GPU: WebGPU, DirectML on Windows, CoreML on macOS. What it cannot run, and finetuning, stay on the processor.',
    },
  },
  'espalier.score.criterion': {
    type: 'string',
    default: 'taylor',
    scope: 'resource',
    description: 'The criterion proposed first by Score Channels.',
    choices: criterionChoices,
  },
  'espalier.score.batches': {
    type: 'integer',
    default: 50,
    minimum: 1,
    scope: 'resource',
    description: 'Batches of images that taylor and hessian see.',
  },
  'espalier.score.batchSize': {
    type: 'integer',
    default: 64,
    minimum: 1,
    scope: 'resource',
    description: 'Images in a batch while scoring.',
  },
  'espalier.pixels': {
    type: 'string',
    default: 'auto',
    scope: 'window',
    description:
      'Pixels that networks from files take. Files usually say it themselves, or are taken for what most are.',
    choices: {
      auto: 'As the file says, or its first operations.',
      '0..1': 'From 0 to 1, not normalised.',
      '0..255': 'From 0 to 255, not normalised.',
      normalised: 'Normalised by mean and standard deviation.',
    },
  },
  'espalier.costs': {
    type: 'string',
    default: 'MACs',
    scope: 'window',
    description: 'What costs are shown in, and targets typed in.',
    choices: {
      MACs: 'Multiply-accumulates, by the paper’s counter, as everything is computed and kept.',
      FLOPs: 'Operations: two for each MAC.',
    },
  },
  'espalier.plan.target': {
    type: 'string',
    default: '50%',
    scope: 'resource',
    description: 'FLOP target proposed for a new model: `50%`, `-30%`, `2.05G`, `4200M`.',
  },
  'espalier.plan.roundTo': {
    type: 'integer',
    default: 2,
    minimum: 1,
    scope: 'resource',
    description: 'Widths become multiples of this.',
  },
  'espalier.plan.maxRatio': {
    type: 'number',
    default: 1,
    minimum: 0,
    maximum: 1,
    scope: 'resource',
    description: 'No layer loses more than this share of its channels.',
  },
  'espalier.plan.ignore': {
    type: 'array',
    default: [],
    scope: 'resource',
    description: 'Layers that are never pruned, by name; `*` stands for any text: `layer4.*`.',
  },
  'espalier.evaluate.batchSize': {
    type: 'integer',
    default: 64,
    minimum: 1,
    scope: 'resource',
    description: 'Images in a batch while evaluating.',
  },
  'espalier.jobs.python': {
    type: 'string',
    default: 'python3',
    scope: 'machine',
    description: 'Python with PyTorch and torchvision that trains jobs (Finetune…, Where), where they run.',
  },
  'espalier.jobs.processes': {
    type: 'integer',
    default: 1,
    minimum: 1,
    scope: 'machine',
    description: 'Processes on each machine of a job that are proposed, one a GPU.',
  },
  'espalier.jobs.nodes': {
    type: 'integer',
    default: 1,
    minimum: 1,
    scope: 'machine',
    description: 'Machines of a job on SLURM or SkyPilot.',
  },
  'espalier.jobs.slurm': {
    type: 'array',
    default: [],
    scope: 'machine',
    description: 'Options of sbatch: `partition=gpu`, `time=24:00:00`.',
  },
  'espalier.jobs.skypilot': {
    type: 'array',
    default: [],
    scope: 'machine',
    description: 'Resources of SkyPilot: `accelerators=H100:8`, `use_spot=true`.',
  },
  'espalier.jobs.slurmDataPath': {
    type: 'string',
    default: '',
    scope: 'window',
    description: 'Folder of the images where SLURM runs jobs; empty: it is asked, once.',
  },
  'espalier.jobs.skypilotDataPath': {
    type: 'string',
    default: '',
    scope: 'window',
    description: 'Folder of the images where SkyPilot runs jobs; empty: it is asked, once.',
  },
  'espalier.jobs.commands': {
    type: 'array',
    default: [],
    scope: 'machine',
    description:
      'How programs are called: `sbatch=ssh login sbatch`, `python=srun --gpus=1 python3`; also squeue, sacct, scancel, sky, rsync, sh.',
  },
  'espalier.runsFolder': {
    type: 'string',
    default: '.espalier/runs',
    scope: 'resource',
    description: 'Where runs are kept: a path in the workspace folder, or an absolute one.',
  },
  'espalier.worker.memory': {
    type: 'integer',
    default: 8192,
    minimum: 512,
    scope: 'machine',
    description: 'Megabytes of JavaScript memory that the worker may use. Weights lie outside of it.',
  },
  'espalier.worker.node': {
    type: 'string',
    default: '',
    scope: 'machine',
    description: 'Node.js that runs the worker and tasks (version 20 or newer); empty: the one inside VS Code.',
  },
} as const satisfies Record<string, SettingContribution>;

export type SettingId = keyof typeof settings;
type Widened<T> = T extends readonly string[]
  ? readonly string[]
  : T extends string
    ? string
    : T extends number
      ? number
      : boolean;
/** The type of a setting's value: its choices where it has some. */
export type SettingValue<K extends SettingId> = (typeof settings)[K] extends { choices: infer C }
  ? keyof C & string
  : Widened<(typeof settings)[K]['default']>;

/** What a command of the command line is. */
import type { FlagTable, FlagValues } from '../common/flags.ts';
import { flag } from '../common/flags.ts';
import type { RunContext } from '../common/progress.ts';

interface Invocation<T extends FlagTable> {
  readonly values: FlagValues<T>;
  /** Keys of the flags that the command line set. */
  readonly given: ReadonlySet<keyof T>;
  readonly positionals: readonly string[];
}

/** A command returns its result: one JSON object, printed with `--json`; `text` is what a person reads otherwise. */
export interface CommandResult {
  readonly json: object;
  readonly text: string;
}

export interface Command<T extends FlagTable = FlagTable> {
  readonly summary: string;
  /** Positional arguments, for the help. */
  readonly usage: string;
  readonly flags: T;
  /** It writes no file, and may be ended at any moment. */
  readonly readsOnly?: boolean;
  /** It computes, or reads a file in one go, in which nothing else is heard: another process watches over it for Ctrl-C. */
  readonly supervised?: boolean;
  /** How many positional arguments it takes at most (default none). */
  readonly most?: number;
  run(invocation: Invocation<T>, context: Required<RunContext>): Promise<CommandResult>;
}

/** Checks a command against its own flag table, then lets it stand in a list of commands. */
export const command = <T extends FlagTable>(definition: Command<T>): Command => definition as unknown as Command;

/** Which model: a positional NAME|FILE or --model, with weights from --ckpt. */
export const modelFlags = {
  model: flag.string(undefined, "timm's or torchvision's name, or a checkpoint file"),
  ckpt: flag.string(undefined, 'checkpoint with the weights of a model given by name'),
  useEma: flag.boolean('take the moving average of a training checkpoint'),
  isTorchvision: flag.boolean(
    "torchvision's network of that name (DenseNet and EfficientNet are built otherwise in timm), and its weights before timm's",
  ),
  numClasses: flag.integer(
    undefined,
    'classes of a model given by name, which then begins with random weights (default: its own; a file says its own)',
  ),
  pixels: flag.choice(
    ['0..1', '0..255', 'normalised'],
    undefined,
    'pixels that the network takes (default: as its file says, or as its first operations show; else normalised)',
  ),
  fit: flag.choice(
    ['crop', 'stretch', 'letterbox'],
    undefined,
    "how an image becomes the network's square: its centre, all of it stretched, or all of it within a grey border",
  ),
  bgr: flag.boolean('the network takes blue, green, red'),
  heads: flag.string(undefined, 'attention heads where a bare state dict leaves them open: one number, or one a layer'),
};

/** Which images, and how they are prepared. */
export const dataFlags = {
  dataPath: flag.string(
    undefined,
    'folder with train/ and val/ (or test/), one folder a class (default data/imagenet)',
  ),
  interpolation: flag.choice(
    ['nearest', 'bilinear', 'bicubic', 'lanczos'],
    undefined,
    "resizing (default: the model's)",
  ),
  valResize: flag.integer(undefined, "shorter side before the crop (default: the model's)"),
  inputSize: flag.integer(undefined, "side of the crop (default: the model's)"),
  noImagenetMeanStd: flag.boolean('normalise by mean and std 0.5', { aliases: ['disable-imagenet-mean-std'] }),
  synsets: flag.string(undefined, 'file with one class folder name a line, in the order of the logits'),
  workers: flag.integer(undefined, 'decoding threads (default: cores − 1)', { aliases: ['j'] }),
};

/** How the arithmetic is done. */
export const computeFlags = {
  backend: flag.choice(['auto', 'tensorflow', 'embedded'], 'auto', 'what computes'),
  device: flag.choice(['cpu', 'gpu'], 'cpu', 'gpu: evaluate and score on any GPU, through ONNX Runtime'),
  threads: flag.integer(undefined, 'threads of the backend (default: all cores)'),
};

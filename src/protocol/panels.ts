/** The wire between host and webviews: a message is a value that carries its name. */
import type { TradeOff } from './trade-off.ts';
import type {
  ChangedVerdict,
  ChangedVerdicts,
  DatasetSummary,
  EvaluationResult,
  ProgressReport,
  RunPoint,
  RunState,
} from './values.ts';

/** The messages of a table: `{type: 'run/point', value: …}`. */
export type Message<Table> = { [K in keyof Table]: { readonly type: K; readonly value: Table[K] } }[keyof Table];

/** Sent by every webview when it can receive; the host answers with the view's whole state. */
export interface ReadyMessage {
  ready: null;
}

/** The run editor. */
export interface RunView {
  readonly id: string;
  readonly title: string;
  readonly state: RunState;
  /** What it works on: `resnet20-pruned.safetensors · cifar10`. */
  readonly subject: string;
  readonly error?: string;
  /** One line of what came of it. */
  readonly summary?: string;
  readonly progress?: ProgressReport;
  /** It has steps and epochs to draw. */
  readonly hasCurves: boolean;
  /** Planned epochs; 0 when the run has none. */
  readonly epochs: number;
  /** Known once training goes. */
  readonly stepsPerEpoch?: number;
  /** Top-1 of the dense model on the same images, where it was measured. */
  readonly referenceTop1?: number;
  readonly canPause: boolean;
  readonly canStopAfterEpoch: boolean;
  readonly canResume: boolean;
  /** What it wrote that can be opened: its model or report, or (before its end) the best model so far. */
  readonly result: 'model' | 'report' | 'best' | 'none';
  readonly settings: Readonly<Record<string, string | number | boolean>>;
}

/** Another run drawn behind this one: ticked in the side bar. */
export interface RunCurve {
  readonly id: string;
  readonly title: string;
  readonly points: readonly RunPoint[];
}

export interface HostToRun {
  'run/snapshot': {
    readonly run: RunView;
    readonly points: readonly RunPoint[];
    readonly log: readonly string[];
    readonly compared: readonly RunCurve[];
    /** Of an exploration that has ended. */
    readonly tradeOff: TradeOff | null;
  };
  'run/tradeOff': TradeOff | null;
  'run/state': RunView;
  'run/points': readonly RunPoint[];
  'run/log': readonly string[];
  'run/compared': readonly RunCurve[];
}

export type RunAction =
  | 'pause'
  | 'continue'
  | 'stopAfterEpoch'
  | 'stop'
  | 'resume'
  | 'openFolder'
  | 'openResult'
  | 'openReport'
  | 'openBest'
  | 'evaluate';

export interface RunToHost extends ReadyMessage {
  'run/action': RunAction;
  /** The plan of one of the trade-off's points is wanted, by its place among them. */
  'run/takePlan': number;
}

/** The comparison editor. */
export interface CompareRow extends EvaluationResult {
  readonly id: string;
  readonly label: string;
  /** Row id of the model that this one was made from, when it is in the table. */
  readonly parent?: string;
  /** What it said of each image is known, so that changed verdicts can be shown. */
  readonly canCompareImages: boolean;
}

export interface CompareView {
  readonly rows: readonly CompareRow[];
  /** Row that differences refer to. */
  readonly baseline?: string;
}

export interface ChangedImages {
  readonly before: string;
  readonly after: string;
  /** `uri` can be loaded by the webview. */
  readonly images: readonly (ChangedVerdict & { readonly uri: string })[];
  readonly totals: ChangedVerdicts['totals'];
}

export interface HostToCompare {
  'compare/snapshot': CompareView;
  'compare/changed': ChangedImages;
  'compare/error': string;
}

export interface CompareToHost extends ReadyMessage {
  /** Evaluate more models. */
  'compare/evaluate': null;
  'compare/baseline': string;
  'compare/remove': string;
  'compare/askChanged': { before: string; after: string };
  'compare/save': { format: 'csv' | 'markdown'; text: string };
}

/** The data set view. */
export interface HostToDataset {
  'dataset/snapshot': {
    readonly summary: DatasetSummary;
    /** URIs of the samples, in their order. */
    readonly uris: readonly string[];
  };
}

export type DatasetToHost = ReadyMessage;

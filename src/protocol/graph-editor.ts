/**
 * Messages between the extension host and the model editor's webview.
 *
 * The host keeps the truth: on `ready` it sends `graph/show` with all that it knows, then `graph/update` with what
 * changed. The webview keeps only how things are looked at (expanded modules, zoom, tabs) in getState/setState.
 */
import type {
  GraphView,
  GroupsView,
  NodeDetails,
  PlanView,
  ScoresView,
  SensitivityView,
  Side,
  TargetRange,
} from './graph-view.ts';
import type { LatencyView } from './latency-values.ts';
import type { ReadyMessage } from './panels.ts';
import { DEFAULT_PLAN, type PlanSettings, type ProgressReport } from './values.ts';

/** Work under way on this model. */
export interface GraphEditorTask {
  /** `Scoring channels`, `Pruning`. */
  readonly title: string;
  readonly progress: ProgressReport;
  readonly cancellable: boolean;
}

/** Everything that the editor shows; null where there is nothing yet. */
export interface GraphEditorState {
  /** File name or model name. */
  readonly title: string;
  readonly phase: 'loading' | 'ready' | 'failed';
  /** While loading: what is being done. When failed: what is wrong, where, and what to do. */
  readonly message: string;
  readonly view: GraphView | null;
  readonly groups: GroupsView | null;
  readonly scores: ScoresView | null;
  /** Measured of the present scores' order. */
  readonly sensitivity: SensitivityView | null;
  /** What this model's layers take on this machine; the target can be a time then. */
  readonly latency: LatencyView | null;
  /** What can be reached; known as soon as there are groups. */
  readonly range: TargetRange | null;
  /** MACs asked for, or that the time asked for came to; null before a target was set. */
  readonly target: number | null;
  readonly plan: PlanView | null;
  /** The plan belongs to other scores, pins or options than the present ones. */
  readonly planStale: boolean;
  /** The pruned model, after Prune; the split view draws the plan before that. */
  readonly pruned: GraphView | null;
  /** MACs of the plan that was shown when it was written; a target in milliseconds is written by another plan, the measured one. */
  readonly prunedFor: number | null;
  /** Options and pins of the next plan; its target is `target` above where one was set. */
  readonly settings: PlanSettings;
  readonly task: GraphEditorTask | null;
  /** Why nothing can be run (an untrusted workspace, a file without weights); '' when it can. */
  readonly cannotRun: string;
  /** The model may be scored with data; without: weight criteria only. */
  readonly dataset: string | null;
}

/** Before anything is known of a model. */
export const UNREAD_MODEL: GraphEditorState = {
  title: '',
  phase: 'loading',
  message: '',
  view: null,
  groups: null,
  scores: null,
  sensitivity: null,
  latency: null,
  range: null,
  target: null,
  plan: null,
  planStale: false,
  pruned: null,
  prunedFor: null,
  settings: DEFAULT_PLAN,
  task: null,
  cannotRun: '',
  dataset: null,
};

/** What the webview is asked to do by a command of the palette or a menu. */
export type GraphEditorCommand =
  | 'fit'
  | 'find'
  | 'expandAll'
  | 'collapseAll'
  | 'expand'
  | 'collapse'
  | 'expandSame'
  | 'selectGroup'
  | 'selectScope'
  | 'showKeys'
  | 'toggleInspector'
  | 'toggleTables'
  | 'pinOutputs'
  | 'pinInputs'
  | 'exportSvg'
  | 'exportPng'
  | 'showDense'
  | 'showSplit'
  | 'showPruned'
  | 'focusTarget'
  | 'showLayers'
  | 'showScopes'
  | 'showPlan';

/** How much room the parts of the editor have; the next model's editor begins with it. */
export interface EditorFrame {
  /** Width of the inspector and height of the tables, in pixels. */
  readonly side: number;
  readonly panel: number;
  readonly panelShown: boolean;
  readonly sideShown: boolean;
}

/** Host → editor, as `Message<HostToGraph>`. */
export interface HostToGraph {
  /** Everything, in answer to `ready`. */
  'graph/show': GraphEditorState;
  /** Before `graph/show`: the frame of the editor that was changed last. */
  'graph/frame': EditorFrame;
  /** Replaces the fields that it names. */
  'graph/update': Partial<GraphEditorState>;
  /**
   * Answer to `graph/target` with the same seq, after the `graph/update` with its plan: the next wish may be sent.
   * `problem`: why there is no plan.
   */
  'graph/plan': { readonly seq: number; readonly problem: string };
  /** Selection made elsewhere (Groups tree, another editor): node ids or a scope, brought into view when `reveal`. */
  'graph/select': { readonly nodes: readonly string[]; readonly scope: number | null; readonly reveal: boolean };
  /** Answer to `graph/details`; `problem`: why there are no statistics. */
  'graph/details': { readonly node: string; readonly details: NodeDetails | null; readonly problem: string };
  /** Answer to `graph/planText`. */
  'graph/planText': string;
  'graph/command': GraphEditorCommand;
}

/** Extension commands that the editor's buttons run. */
export type GraphEditorAction =
  | 'score'
  | 'selectDataset'
  | 'measureSensitivity'
  /** The same, to spread the target by it from then on. */
  | 'spread'
  /** Measures what the layers take here; the target is in milliseconds from then on. */
  | 'measureLatency'
  | 'prune'
  | 'finetune'
  | 'evaluate'
  | 'savePlan'
  | 'applyPlan'
  | 'export'
  | 'cancel'
  | 'retry';

/** What a slider asks for: at most so many MACs, or predicted milliseconds. */
export type TargetWish = { readonly macs: number } | { readonly milliseconds: number };

/** Settings that change; null takes one back (a ratio that the target decides), for undefined does not cross the wire. */
export type PlanSettingsChange = { readonly [K in keyof PlanSettings]?: PlanSettings[K] | null };

/** What to merge into the settings. */
export function settingsOf(change: PlanSettingsChange): Partial<PlanSettings> {
  return Object.fromEntries(Object.entries(change).map(([key, value]) => [key, value ?? undefined]));
}

/** Editor → host, as `Message<GraphToHost>`. */
export interface GraphToHost extends ReadyMessage {
  /** Wants a plan; answered by `graph/update` and `graph/plan`. The newest counts, older ones may stay unanswered. */
  'graph/target': { readonly seq: number; readonly wish: TargetWish };
  /** The target is to be in this unit: the cost, or milliseconds, whose times are known. */
  'graph/unit': 'cost' | 'ms';
  /** Options changed; answered by `graph/update` with the settings as kept, and a new plan where there is a target. */
  'graph/settings': PlanSettingsChange;
  /** Outputs or inputs of a layer must stay as they are, or may go again; answered as `graph/settings`. */
  'graph/pin': { readonly layer: string; readonly side: Side; readonly pinned: boolean };
  /** The person selected these nodes, or a scope as a whole. */
  'graph/selected': { readonly nodes: readonly string[]; readonly scope: number | null };
  /** Statistics of a node's parameters are wanted. */
  'graph/details': { readonly node: string };
  'graph/planText': null;
  /** The person gave the parts other room. */
  'graph/frame': EditorFrame;
  'graph/run': GraphEditorAction;
  /** A drawing to save under a proposed name: SVG text, or a PNG as base64. */
  'graph/export': { readonly format: 'svg' | 'png'; readonly name: string; readonly data: string };
  /** Something broke in the webview: for the log. */
  'graph/error': string;
}

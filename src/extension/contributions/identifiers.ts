/** Names that the manifest, the extension and its tests share: editors, panels, files, context keys. */

/** The editor of files that are nothing but models: a double click opens it. */
export const EDITOR_ID = 'espalier.model';
/** The same editor for files that may be anything: offered beside others. */
const OFFERED_EDITOR_ID = 'espalier.modelOffered';
export const EDITOR_IDS: readonly string[] = [EDITOR_ID, OFFERED_EDITOR_ID];
export const ZOO_SCHEME = 'espalier-zoo';
/** Tabs that are restored after a restart. */
export const RUN_PANEL = 'espalier.run';
export const COMPARE_PANEL = 'espalier.compare';
export const PANELS = [RUN_PANEL, COMPARE_PANEL] as const;
export const TASK_TYPE = 'espalier';
export const EXTENSION_ID = 'espalier.espalier';
export const WALKTHROUGH_ID = 'firstModel';
/** Settings of a finetuning run that is about to start. */
export const FINETUNE_FILE = 'espalier-finetune.json';
const MODEL_EXTENSIONS = ['.pth', '.th', '.safetensors', '.onnx', '.pt2'] as const;
const OFFERED_EXTENSIONS = ['.pt', '.bin', '.ckpt', '.pth.tar', '.safetensors.index.json', '.bin.index.json'] as const;
/** Files that may hold a checkpoint. */
export const CHECKPOINT_EXTENSIONS = [...MODEL_EXTENSIONS, ...OFFERED_EXTENSIONS] as const;

/** The editor that VS Code knows a file by: another one would give it a second tab. */
export const editorIdOf = (file: string): string =>
  OFFERED_EXTENSIONS.some((extension) => file.toLowerCase().endsWith(extension)) ? OFFERED_EDITOR_ID : EDITOR_ID;

/** Context keys that the extension keeps, and their types. */
export interface ContextKeys {
  /** The active editor shows a model that was opened. */
  'espalier.modelActive': boolean;
  'espalier.modelHasScores': boolean;
  'espalier.modelHasPlan': boolean;
  /** Some model can be scored, pruned, evaluated. */
  'espalier.anyModel': boolean;
  /** What was done in this workspace, however it was asked for: the walkthrough's ticks. */
  'espalier.didCreateSample': boolean;
  'espalier.didScore': boolean;
  'espalier.didPrune': boolean;
  'espalier.didFinetune': boolean;
  'espalier.didEvaluate': boolean;
  /** The active editor is a run that can be paused. */
  'espalier.runActive': boolean;
}

/** Steps of the walkthrough, by the keys that hold once they were done. */
export const STEP_KEYS = [
  'espalier.didCreateSample',
  'espalier.anyModel',
  'espalier.didScore',
  'espalier.modelHasPlan',
  'espalier.didPrune',
  'espalier.didFinetune',
  'espalier.didEvaluate',
] as const satisfies readonly (keyof ContextKeys)[];
export type StepKey = (typeof STEP_KEYS)[number];

/**
 * VS Code never ticks a step by a condition that holds already when it reads the walkthrough, which is some time after its page has
 * opened. So a step that was done is told by two values in turn, each of which is a condition.
 */
export const TOLD = ['once', 'again'] as const;

export const toldKey = (step: StepKey): string => `${step}.told`;

const selector = (extensions: readonly string[]) =>
  extensions.map((extension) => ({ filenamePattern: `*${extension}` }));

export const customEditors = [
  { viewType: EDITOR_ID, displayName: 'Espalier', priority: 'default', selector: selector(MODEL_EXTENSIONS) },
  { viewType: OFFERED_EDITOR_ID, displayName: 'Espalier', priority: 'option', selector: selector(OFFERED_EXTENSIONS) },
] as const;

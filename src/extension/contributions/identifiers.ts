/** Names that the manifest, the extension and its tests share: editors, panels, files, context keys. */

export const EDITOR_ID = 'espalier.model';
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
/** Files that may hold a checkpoint. */
export const CHECKPOINT_EXTENSIONS = [
  '.pth',
  '.pt',
  '.th',
  '.bin',
  '.ckpt',
  '.pth.tar',
  '.safetensors',
  '.onnx',
] as const;

/** Context keys that the extension keeps, and their types. */
export interface ContextKeys {
  /** The active editor shows a model that was opened. */
  'espalier.modelActive': boolean;
  'espalier.modelHasScores': boolean;
  'espalier.modelHasPlan': boolean;
  /** Some model can be scored, pruned, evaluated. */
  'espalier.anyModel': boolean;
  /** The active editor is a run that can be paused. */
  'espalier.runActive': boolean;
}

export const customEditor = {
  viewType: EDITOR_ID,
  displayName: 'Espalier',
  priority: 'option',
  selector: CHECKPOINT_EXTENSIONS.map((extension) => ({ filenamePattern: `*${extension}` })),
} as const;

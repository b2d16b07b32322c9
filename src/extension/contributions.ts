/**
 * Everything that the extension contributes to VS Code: commands, settings, views, menus, keys, editors, tasks, walkthrough.
 *
 * package.json's `contributes` and package.nls.json are generated from this module (`npm run contributions`) and a test
 * compares them, so that manifest and code cannot drift. Texts here are English; `%key%` references are made from them.
 */

export interface CommandContribution {
  readonly title: string;
  readonly icon?: string;
  /** When the palette shows it; false: never, it needs an argument. */
  readonly palette?: string | false;
  /** When it can be used at all; menus show it greyed out otherwise. */
  readonly enablement?: string;
}

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
export const CHECKPOINT_EXTENSIONS = ['.pth', '.pt', '.th', '.bin', '.safetensors', '.onnx'] as const;

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

const ANY_MODEL = 'espalier.anyModel';
const EDITS_FINETUNE = `resourceFilename == '${FINETUNE_FILE}'`;
const MODEL_ACTIVE = 'espalier.modelActive';

export const commands = {
  'espalier.loadCheckpoint': { title: 'Load Checkpoint…', icon: '$(folder-opened)' },
  'espalier.openFile': { title: 'Open in Espalier', palette: false },
  'espalier.openZooModel': { title: 'Open Model Without Weights…', icon: '$(library)' },
  'espalier.selectDataset': { title: 'Select Dataset Folder…', icon: '$(file-media)' },
  'espalier.showDataset': { title: 'Show Dataset' },
  'espalier.score': { title: 'Score Channels…', icon: '$(graph)', palette: ANY_MODEL },
  'espalier.setTarget': { title: 'Set FLOP Target…', icon: '$(dashboard)', palette: ANY_MODEL },
  'espalier.prune': { title: 'Prune Model', icon: '$(symbol-ruler)', palette: ANY_MODEL },
  'espalier.finetune': { title: 'Finetune…', icon: '$(flame)', palette: ANY_MODEL },
  'espalier.startFinetune': { title: 'Start Finetuning With These Settings', icon: '$(play)', palette: EDITS_FINETUNE },
  'espalier.evaluate': { title: 'Evaluate…', icon: '$(beaker)', palette: ANY_MODEL },
  'espalier.compare': { title: 'Compare Models', icon: '$(list-flat)' },
  'espalier.export': { title: 'Export Model…', icon: '$(export)', palette: ANY_MODEL },
  'espalier.savePlan': { title: 'Save Plan…', icon: '$(save)', palette: 'espalier.modelHasPlan' },
  'espalier.applyPlan': { title: 'Apply Plan…', palette: ANY_MODEL },
  'espalier.retryModel': { title: 'Read Model Again', icon: '$(refresh)', palette: MODEL_ACTIVE },

  'espalier.graph.fit': { title: 'Fit Graph', icon: '$(screen-full)', palette: MODEL_ACTIVE },
  'espalier.graph.find': { title: 'Find Layer', icon: '$(search)', palette: MODEL_ACTIVE },
  'espalier.graph.expandAll': { title: 'Expand All Modules', icon: '$(expand-all)', palette: MODEL_ACTIVE },
  'espalier.graph.collapseAll': { title: 'Collapse All Modules', icon: '$(collapse-all)', palette: MODEL_ACTIVE },
  'espalier.graph.expand': { title: 'Expand Selected Module', palette: MODEL_ACTIVE },
  'espalier.graph.collapse': { title: 'Collapse Selected Module', palette: MODEL_ACTIVE },
  'espalier.graph.expandSame': { title: 'Expand Blocks of Equal Structure', palette: MODEL_ACTIVE },
  'espalier.graph.selectScope': { title: 'Select Scope of Selected Layer', palette: MODEL_ACTIVE },
  'espalier.graph.pinOutputs': { title: 'Pin Outputs of Selected Layer', palette: MODEL_ACTIVE },
  'espalier.graph.pinInputs': { title: 'Pin Inputs of Selected Layer', palette: MODEL_ACTIVE },
  'espalier.graph.exportSvg': { title: 'Export Graph as SVG…', palette: MODEL_ACTIVE },
  'espalier.graph.exportPng': { title: 'Export Graph as PNG…', palette: MODEL_ACTIVE },
  'espalier.graph.showDense': { title: 'Show Dense Model', palette: MODEL_ACTIVE },
  'espalier.graph.showSplit': { title: 'Show Dense and Pruned Side by Side', palette: MODEL_ACTIVE },
  'espalier.graph.showPruned': { title: 'Show Pruned Model', palette: MODEL_ACTIVE },
  'espalier.graph.focusTarget': { title: 'Focus FLOP Target', palette: MODEL_ACTIVE },
  'espalier.graph.showLayers': { title: 'Show Layers Table', palette: MODEL_ACTIVE },
  'espalier.graph.showScopes': { title: 'Show Scopes', palette: MODEL_ACTIVE },
  'espalier.graph.showPlan': { title: 'Show Plan as Text', palette: MODEL_ACTIVE },

  'espalier.pinLayer': { title: 'Pin Layer (Inputs and Outputs)', palette: false },
  'espalier.pinLayerOutputs': { title: 'Pin Layer Outputs', palette: false },
  'espalier.pinLayerInputs': { title: 'Pin Layer Inputs', palette: false },
  'espalier.unpinLayer': { title: 'Unpin Layer', palette: false },
  'espalier.revealLayer': { title: 'Show in Graph', icon: '$(target)', palette: false },

  'espalier.openModel': { title: 'Open Model', icon: '$(go-to-file)', palette: false },
  'espalier.removeModel': { title: 'Remove from List', palette: false },
  'espalier.revealModelFile': { title: 'Reveal in Explorer', palette: false },

  'espalier.openRun': { title: 'Open Run…', icon: '$(pulse)' },
  'espalier.pauseRun': { title: 'Pause Run', icon: '$(debug-pause)', palette: 'espalier.runActive' },
  'espalier.continueRun': { title: 'Continue Run', icon: '$(debug-continue)', palette: 'espalier.runActive' },
  'espalier.stopRunAfterEpoch': { title: 'Stop Run After This Epoch', palette: 'espalier.runActive' },
  'espalier.stopRun': { title: 'Stop Run', icon: '$(debug-stop)', palette: 'espalier.runActive' },
  'espalier.resumeRun': { title: 'Resume Run', icon: '$(debug-start)' },
  'espalier.openRunFolder': { title: 'Open Run Folder', palette: false },
  'espalier.openRunResult': { title: 'Open Resulting Model', icon: '$(go-to-file)', palette: false },
  'espalier.deleteRun': { title: 'Delete Run', icon: '$(trash)', palette: false },
  'espalier.refreshRuns': { title: 'Refresh Runs', icon: '$(refresh)', palette: false },

  'espalier.installRuntime': { title: 'Install TensorFlow Runtime' },
  'espalier.showRuntime': { title: 'Show Runtime Status' },
  'espalier.restartWorker': { title: 'Restart Worker' },
  'espalier.showLog': { title: 'Show Log' },
  'espalier.createSample': { title: 'Create Sample Model and Data…', icon: '$(sparkle)' },
  'espalier.openWalkthrough': { title: 'Prune Your First Model' },
} as const satisfies Record<string, CommandContribution>;

export type CommandId = keyof typeof commands;

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

export const settings = {
  'espalier.backend': {
    type: 'string',
    default: 'auto',
    scope: 'machine',
    description: 'What computes: scoring, evaluation and finetuning.',
    choices: {
      auto: 'TensorFlow when its runtime is installed, else the embedded kernels.',
      tensorflow: 'TensorFlow; an error when its runtime is not installed.',
      tfjs: 'The embedded kernels: nothing to install, the same results, slower.',
    },
  },
  'espalier.score.criterion': {
    type: 'string',
    default: 'taylor',
    scope: 'resource',
    description: 'The criterion proposed first by Score Channels.',
    choices: {
      taylor: 'Weight times gradient, on images.',
      hessian: 'Weight² times squared gradient, on images.',
      l1: 'Sum of absolute weights; needs no images.',
      l2: 'Sum of squared weights; needs no images.',
      random: 'By chance: the baseline.',
    },
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

export const viewContainer = { id: 'espalier', title: 'Espalier', icon: 'media/espalier.svg' };

export const views = {
  'espalier.models': { name: 'Models', icon: 'media/espalier.svg' },
  'espalier.groups': { name: 'Groups', icon: 'media/espalier.svg' },
  'espalier.runs': { name: 'Runs', icon: 'media/espalier.svg' },
} as const;

export type ViewId = keyof typeof views;

/** What an empty view says, with its first action. */
export const welcome: readonly { readonly view: ViewId; readonly text: string; readonly when?: string }[] = [
  {
    view: 'espalier.models',
    text: 'Open a checkpoint, look at a network without weights, or start with a small sample.\n[Load Checkpoint…](command:espalier.loadCheckpoint)\n[Open Model Without Weights…](command:espalier.openZooModel)\n[Prune Your First Model](command:espalier.openWalkthrough)',
  },
  {
    view: 'espalier.groups',
    text: 'Open a model to see which of its channels hang together.\n[Load Checkpoint…](command:espalier.loadCheckpoint)',
    when: '!espalier.modelActive',
  },
  {
    view: 'espalier.runs',
    text: 'Scoring, pruning, finetuning and evaluation appear here, with their progress.\n[Score Channels…](command:espalier.score)\n[Evaluate…](command:espalier.evaluate)',
    when: 'isWorkspaceTrusted && espalier.anyModel',
  },
  {
    view: 'espalier.runs',
    text: 'Scoring, pruning, finetuning and evaluation appear here, with their progress.\n[Load Checkpoint…](command:espalier.loadCheckpoint)',
    when: 'isWorkspaceTrusted && !espalier.anyModel',
  },
  {
    view: 'espalier.runs',
    text: 'This workspace is not trusted: models can be looked at, nothing is run.\n[Manage Workspace Trust](command:workbench.trust.manage)',
    when: '!isWorkspaceTrusted',
  },
];

export interface MenuItem {
  readonly command: CommandId;
  readonly when?: string;
  readonly group?: string;
}

const MODEL_EDITOR = `activeCustomEditorId == '${EDITOR_ID}'`;
const CHECKPOINT = `resourceExtname =~ /^\\.(${CHECKPOINT_EXTENSIONS.map((e) => e.slice(1)).join('|')})$/`;
const IN_MODELS = 'view == espalier.models';
const IN_GROUPS = 'view == espalier.groups';
const IN_RUNS = 'view == espalier.runs';
const ON_LAYER = `webviewId == '${EDITOR_ID}' && webviewSection == 'layer'`;
const item = (view: string, kinds: string): string => `${view} && viewItem =~ /\\b(${kinds})\\b/`;

export const menus: Readonly<Record<string, readonly MenuItem[]>> = {
  'explorer/context': [{ command: 'espalier.openFile', when: CHECKPOINT, group: 'navigation@30' }],
  'editor/title': [
    { command: 'espalier.startFinetune', when: EDITS_FINETUNE, group: 'navigation@1' },
    { command: 'espalier.score', when: MODEL_EDITOR, group: '1_espalier@1' },
    { command: 'espalier.setTarget', when: MODEL_EDITOR, group: '1_espalier@2' },
    { command: 'espalier.prune', when: MODEL_EDITOR, group: '1_espalier@3' },
    { command: 'espalier.finetune', when: MODEL_EDITOR, group: '1_espalier@4' },
    { command: 'espalier.evaluate', when: MODEL_EDITOR, group: '1_espalier@5' },
    { command: 'espalier.export', when: MODEL_EDITOR, group: '2_espalier@1' },
    { command: 'espalier.savePlan', when: MODEL_EDITOR, group: '2_espalier@2' },
    { command: 'espalier.applyPlan', when: MODEL_EDITOR, group: '2_espalier@3' },
    { command: 'espalier.graph.exportSvg', when: MODEL_EDITOR, group: '3_espalier@1' },
    { command: 'espalier.graph.exportPng', when: MODEL_EDITOR, group: '3_espalier@2' },
    { command: 'espalier.retryModel', when: MODEL_EDITOR, group: '4_espalier@1' },
  ],
  'webview/context': [
    { command: 'espalier.pinLayer', when: ON_LAYER, group: '1_pin@1' },
    { command: 'espalier.pinLayerOutputs', when: ON_LAYER, group: '1_pin@2' },
    { command: 'espalier.pinLayerInputs', when: ON_LAYER, group: '1_pin@3' },
    { command: 'espalier.unpinLayer', when: ON_LAYER, group: '1_pin@4' },
  ],
  'view/title': [
    { command: 'espalier.loadCheckpoint', when: IN_MODELS, group: 'navigation@1' },
    { command: 'espalier.openZooModel', when: IN_MODELS, group: 'navigation@2' },
    { command: 'espalier.compare', when: IN_MODELS, group: 'navigation@3' },
    { command: 'espalier.selectDataset', when: IN_MODELS, group: '1_data@1' },
    { command: 'espalier.showDataset', when: IN_MODELS, group: '1_data@2' },
    { command: 'espalier.createSample', when: IN_MODELS, group: '2_sample@1' },
    { command: 'espalier.openWalkthrough', when: IN_MODELS, group: '2_sample@2' },
    { command: 'espalier.graph.find', when: `${IN_GROUPS} && ${MODEL_ACTIVE}`, group: 'navigation@1' },
    { command: 'espalier.setTarget', when: `${IN_GROUPS} && ${MODEL_ACTIVE}`, group: 'navigation@2' },
    { command: 'espalier.refreshRuns', when: IN_RUNS, group: 'navigation@1' },
    { command: 'espalier.showRuntime', when: IN_RUNS, group: '1_runtime@1' },
    { command: 'espalier.installRuntime', when: IN_RUNS, group: '1_runtime@2' },
    { command: 'espalier.showLog', when: IN_RUNS, group: '1_runtime@3' },
  ],
  'view/item/context': [
    { command: 'espalier.openModel', when: item(IN_MODELS, 'model'), group: 'inline@1' },
    { command: 'espalier.openModel', when: item(IN_MODELS, 'model'), group: '1_open@1' },
    { command: 'espalier.revealModelFile', when: item(IN_MODELS, 'file'), group: '1_open@2' },
    { command: 'espalier.score', when: item(IN_MODELS, 'model'), group: '2_work@1' },
    { command: 'espalier.setTarget', when: item(IN_MODELS, 'model'), group: '2_work@2' },
    { command: 'espalier.prune', when: item(IN_MODELS, 'model'), group: '2_work@3' },
    { command: 'espalier.finetune', when: item(IN_MODELS, 'file'), group: '2_work@4' },
    { command: 'espalier.evaluate', when: item(IN_MODELS, 'file'), group: '2_work@5' },
    { command: 'espalier.compare', when: item(IN_MODELS, 'file'), group: '2_work@6' },
    { command: 'espalier.export', when: item(IN_MODELS, 'model'), group: '3_export@1' },
    { command: 'espalier.removeModel', when: item(IN_MODELS, 'model'), group: '9_remove@1' },
    { command: 'espalier.revealLayer', when: item(IN_GROUPS, 'layer|group|scope'), group: 'inline@1' },
    { command: 'espalier.pinLayer', when: item(IN_GROUPS, 'layer'), group: '1_pin@1' },
    { command: 'espalier.pinLayerOutputs', when: item(IN_GROUPS, 'layer'), group: '1_pin@2' },
    { command: 'espalier.pinLayerInputs', when: item(IN_GROUPS, 'layer'), group: '1_pin@3' },
    { command: 'espalier.unpinLayer', when: item(IN_GROUPS, 'pinned'), group: '1_pin@4' },
    { command: 'espalier.openRun', when: item(IN_RUNS, 'run'), group: '1_open@1' },
    { command: 'espalier.openRunResult', when: item(IN_RUNS, 'result'), group: '1_open@2' },
    { command: 'espalier.openRunFolder', when: item(IN_RUNS, 'run'), group: '1_open@3' },
    { command: 'espalier.pauseRun', when: item(IN_RUNS, 'pausable'), group: 'inline@1' },
    { command: 'espalier.continueRun', when: item(IN_RUNS, 'paused'), group: 'inline@1' },
    { command: 'espalier.resumeRun', when: item(IN_RUNS, 'resumable'), group: 'inline@1' },
    { command: 'espalier.stopRun', when: item(IN_RUNS, 'stoppable'), group: 'inline@2' },
    { command: 'espalier.pauseRun', when: item(IN_RUNS, 'pausable'), group: '2_state@1' },
    { command: 'espalier.continueRun', when: item(IN_RUNS, 'paused'), group: '2_state@1' },
    { command: 'espalier.stopRunAfterEpoch', when: item(IN_RUNS, 'pausable'), group: '2_state@2' },
    { command: 'espalier.stopRun', when: item(IN_RUNS, 'stoppable'), group: '2_state@3' },
    { command: 'espalier.resumeRun', when: item(IN_RUNS, 'resumable'), group: '2_state@4' },
    { command: 'espalier.deleteRun', when: item(IN_RUNS, 'deletable'), group: '9_remove@1' },
  ],
};

export const keybindings: readonly {
  readonly command: CommandId;
  readonly key: string;
  readonly mac?: string;
  readonly when: string;
}[] = [
  { command: 'espalier.graph.find', key: 'ctrl+f', mac: 'cmd+f', when: MODEL_EDITOR },
  { command: 'espalier.graph.fit', key: 'ctrl+alt+0', mac: 'cmd+alt+0', when: MODEL_EDITOR },
  { command: 'espalier.graph.focusTarget', key: 'ctrl+alt+t', mac: 'cmd+alt+t', when: MODEL_EDITOR },
  { command: 'espalier.graph.selectScope', key: 'ctrl+alt+s', mac: 'cmd+alt+s', when: MODEL_EDITOR },
];

export const customEditor = {
  viewType: EDITOR_ID,
  displayName: 'Espalier',
  priority: 'option',
  selector: CHECKPOINT_EXTENSIONS.map((extension) => ({ filenamePattern: `*${extension}` })),
} as const;

/** Commands of the command line that a task can run. */
export const TASK_COMMANDS = [
  'info',
  'groups',
  'prune',
  'finetune',
  'evaluate',
  'export',
  'models',
  'runtime',
] as const;

export const taskDefinition = {
  type: TASK_TYPE,
  required: ['command'],
  properties: {
    command: { type: 'string', enum: TASK_COMMANDS, description: 'Command of the command line.' },
    arguments: {
      type: 'array',
      items: { type: 'string' },
      description: 'Arguments without a flag: a model name or file, `install`.',
    },
    flags: {
      type: 'object',
      description: 'Flags of the command by name, without the dashes: `{"data-path": "data", "target-macs": "50%"}`.',
      additionalProperties: { type: ['string', 'number', 'boolean', 'array'] },
    },
  },
} as const;

export interface WalkthroughStep {
  readonly id: string;
  readonly title: string;
  readonly description: string;
  readonly image: string;
  readonly altText: string;
  readonly completionEvents: readonly string[];
}

export const walkthrough = {
  id: WALKTHROUGH_ID,
  title: 'Prune your first model',
  description: 'From a small trained network to a pruned, finetuned one, in minutes.',
  steps: [
    {
      id: 'sample',
      title: 'Create the sample',
      description:
        'A trained ResNet-20 and a few thousand small images, made on this machine in the folder that you choose.\n[Create Sample](command:espalier.createSample)',
      image: 'media/walkthrough/sample.svg',
      altText: 'Four small images of drawn shapes beside a network.',
      completionEvents: ['onCommand:espalier.createSample'],
    },
    {
      id: 'load',
      title: 'Open the checkpoint',
      description:
        'The architecture is recognised from the file. Select a layer: everything that must be pruned with it lights up.\n[Load Checkpoint](command:espalier.loadCheckpoint)',
      image: 'media/walkthrough/load.svg',
      altText: 'A network drawn as boxes, one group of layers outlined.',
      completionEvents: ['onCommand:espalier.loadCheckpoint', 'onCommand:espalier.openFile'],
    },
    {
      id: 'score',
      title: 'Score the channels',
      description:
        'Taylor scores say what the loss would feel of each channel. They take a few batches of images.\n[Score Channels](command:espalier.score)',
      image: 'media/walkthrough/score.svg',
      altText: 'A histogram of scores with a threshold line.',
      completionEvents: ['onCommand:espalier.score'],
    },
    {
      id: 'target',
      title: 'Set a FLOP target',
      description:
        'Half of the operations, or any figure: the plan follows the slider, and shows what each layer keeps.\n[Set FLOP Target](command:espalier.setTarget)',
      image: 'media/walkthrough/target.svg',
      altText: 'A slider between a thin and a wide network.',
      completionEvents: ['onCommand:espalier.setTarget'],
    },
    {
      id: 'prune',
      title: 'Prune',
      description: 'Writes the smaller model beside the dense one and opens it.\n[Prune Model](command:espalier.prune)',
      image: 'media/walkthrough/prune.svg',
      altText: 'A wide network beside a narrower one.',
      completionEvents: ['onCommand:espalier.prune'],
    },
    {
      id: 'finetune',
      title: 'Finetune',
      description:
        'A few epochs win back the accuracy. Watch the curves; pause, stop and resume as you like.\n[Finetune](command:espalier.finetune)',
      image: 'media/walkthrough/finetune.svg',
      altText: 'A falling loss curve and a rising accuracy curve.',
      completionEvents: ['onCommand:espalier.finetune'],
    },
    {
      id: 'compare',
      title: 'Evaluate and compare',
      description:
        'Accuracy, operations, size and measured speed of dense, pruned and finetuned, in one table.\n[Evaluate](command:espalier.evaluate)',
      image: 'media/walkthrough/compare.svg',
      altText: 'A table and a plot of accuracy over operations.',
      completionEvents: ['onCommand:espalier.evaluate'],
    },
  ] satisfies readonly WalkthroughStep[],
};

/** Whether a command needs a trusted workspace: it computes or writes. */
export const NEEDS_TRUST: ReadonlySet<CommandId> = new Set([
  'espalier.score',
  'espalier.prune',
  'espalier.finetune',
  'espalier.startFinetune',
  'espalier.evaluate',
  'espalier.export',
  'espalier.resumeRun',
  'espalier.installRuntime',
  'espalier.createSample',
]);

export const trust = {
  supported: 'limited',
  description:
    'Models can be looked at. Scoring, pruning, finetuning, evaluation, export and tasks need a trusted workspace.',
  restrictedConfigurations: ['espalier.runsFolder'],
} as const;

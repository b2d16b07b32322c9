/** Commands of the palette, the menus and the keys. */
import { FINETUNE_FILE } from './identifiers.ts';

export interface CommandContribution {
  readonly title: string;
  readonly icon?: string;
  /** When the palette shows it; false: never, it needs an argument. */
  readonly palette?: string | false;
  /** When it can be used at all; menus show it greyed out otherwise. */
  readonly enablement?: string;
}

const ANY_MODEL = 'espalier.anyModel';
export const EDITS_FINETUNE = `resourceFilename == '${FINETUNE_FILE}'`;
export const MODEL_ACTIVE = 'espalier.modelActive';

export const commands = {
  'espalier.loadCheckpoint': { title: 'Load Checkpoint…', icon: '$(folder-opened)' },
  'espalier.openFromCode': { title: 'Open PyTorch Model From Code…', icon: '$(code)' },
  'espalier.openFile': { title: 'Open in Espalier', palette: false },
  'espalier.openZooModel': { title: 'Open Model Without Weights…', icon: '$(library)' },
  'espalier.selectDataset': { title: 'Select Data Set…', icon: '$(file-media)' },
  'espalier.showDataset': { title: 'Show Data Set' },
  'espalier.score': { title: 'Score Channels…', icon: '$(graph)', palette: ANY_MODEL },
  'espalier.setTarget': { title: 'Set FLOP Target…', icon: '$(dashboard)', palette: ANY_MODEL },
  'espalier.measureSensitivity': { title: 'Measure Sensitivity…', icon: '$(flame)', palette: ANY_MODEL },
  'espalier.spreadTarget': { title: 'Spread Target…', palette: ANY_MODEL },
  'espalier.measureLatency': { title: 'Measure Latency…', icon: '$(watch)', palette: ANY_MODEL },
  'espalier.prune': { title: 'Prune Model', icon: '$(symbol-ruler)', palette: ANY_MODEL },
  'espalier.pruneAndRepair': { title: 'Prune and Repair (No Training)…', icon: '$(wrench)', palette: ANY_MODEL },
  'espalier.exploreTradeOff': { title: 'Explore Trade-off…', icon: '$(graph-scatter)', palette: ANY_MODEL },
  'espalier.finetune': { title: 'Finetune…', icon: '$(flame)', palette: ANY_MODEL },
  'espalier.startFinetune': { title: 'Start Finetuning With These Settings', icon: '$(play)', palette: EDITS_FINETUNE },
  'espalier.evaluate': { title: 'Evaluate…', icon: '$(beaker)', palette: ANY_MODEL },
  'espalier.compare': { title: 'Compare Models', icon: '$(list-flat)' },
  'espalier.export': { title: 'Export Model…', icon: '$(export)', palette: ANY_MODEL },
  'espalier.savePlan': { title: 'Save Plan…', icon: '$(save)', palette: 'espalier.modelHasPlan' },
  'espalier.applyPlan': { title: 'Apply Plan…', palette: ANY_MODEL },
  'espalier.comparePlan': { title: 'Compare Plan With…', palette: 'espalier.modelHasPlan' },
  'espalier.retryModel': { title: 'Read Model Again', icon: '$(refresh)', palette: MODEL_ACTIVE },

  'espalier.graph.fit': { title: 'Fit Graph', icon: '$(screen-full)', palette: MODEL_ACTIVE },
  'espalier.graph.find': { title: 'Find Layer', icon: '$(search)', palette: MODEL_ACTIVE },
  'espalier.graph.expandAll': { title: 'Expand All Modules', icon: '$(expand-all)', palette: MODEL_ACTIVE },
  'espalier.graph.collapseAll': { title: 'Collapse All Modules', icon: '$(collapse-all)', palette: MODEL_ACTIVE },
  'espalier.graph.expand': { title: 'Expand Selected Module', palette: MODEL_ACTIVE },
  'espalier.graph.collapse': { title: 'Collapse Selected Module', palette: MODEL_ACTIVE },
  'espalier.graph.expandSame': { title: 'Expand Blocks of Equal Structure', palette: MODEL_ACTIVE },
  'espalier.graph.selectScope': { title: 'Select Scope of Selected Layer', palette: MODEL_ACTIVE },
  'espalier.graph.selectGroup': { title: 'Select Group of Selected Layer', palette: MODEL_ACTIVE },
  'espalier.graph.showKeys': { title: 'Show Keys of the Graph', palette: MODEL_ACTIVE },
  'espalier.graph.toggleInspector': { title: 'Show or Hide Inspector', palette: MODEL_ACTIVE },
  'espalier.graph.toggleTables': { title: 'Show or Hide Tables', palette: MODEL_ACTIVE },
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
  'espalier.copyLayerName': { title: 'Copy Layer Name', palette: false },
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
  'espalier.openRunResult': { title: 'Open Result', icon: '$(go-to-file)', palette: false },
  'espalier.renameRun': { title: 'Rename Run…', icon: '$(edit)', palette: false },
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

/** Whether a command needs a trusted workspace: it computes or writes. */
export const NEEDS_TRUST: ReadonlySet<CommandId> = new Set([
  'espalier.openFromCode',
  'espalier.score',
  'espalier.measureSensitivity',
  'espalier.spreadTarget',
  'espalier.measureLatency',
  'espalier.prune',
  'espalier.pruneAndRepair',
  'espalier.exploreTradeOff',
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

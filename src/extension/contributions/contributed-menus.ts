/** Where commands stand in menus, and their keys. */
import { type CommandId, EDITS_FINETUNE, MODEL_ACTIVE } from './contributed-commands.ts';
import { CHECKPOINT_EXTENSIONS, EDITOR_IDS } from './identifiers.ts';

export interface MenuItem {
  readonly command: CommandId;
  readonly when?: string;
  readonly group?: string;
}

const literally = (text: string): string => text.replaceAll('.', '\\.');
const ANY_EDITOR = `/^(${EDITOR_IDS.map(literally).join('|')})$/`;
const MODEL_EDITOR = `activeCustomEditorId =~ ${ANY_EDITOR}`;
const CHECKPOINT = `resourceFilename =~ /(${CHECKPOINT_EXTENSIONS.map(literally).join('|')})$/`;
const IN_MODELS = 'view == espalier.models';
const IN_GROUPS = 'view == espalier.groups';
const IN_RUNS = 'view == espalier.runs';
const ON_LAYER = `webviewId =~ ${ANY_EDITOR} && webviewSection == 'layer'`;
const item = (view: string, kinds: string): string => `${view} && viewItem =~ /\\b(${kinds})\\b/`;

export const menus: Readonly<Record<string, readonly MenuItem[]>> = {
  'explorer/context': [{ command: 'espalier.openFile', when: CHECKPOINT, group: 'navigation@30' }],
  'editor/title': [
    { command: 'espalier.startFinetune', when: EDITS_FINETUNE, group: 'navigation@1' },
    { command: 'espalier.score', when: MODEL_EDITOR, group: '1_espalier@1' },
    { command: 'espalier.setTarget', when: MODEL_EDITOR, group: '1_espalier@2' },
    { command: 'espalier.prune', when: MODEL_EDITOR, group: '1_espalier@3' },
    { command: 'espalier.pruneAndRepair', when: MODEL_EDITOR, group: '1_espalier@4' },
    { command: 'espalier.measureSensitivity', when: MODEL_EDITOR, group: '1_espalier@7' },
    { command: 'espalier.measureLatency', when: MODEL_EDITOR, group: '1_espalier@8' },
    { command: 'espalier.exploreTradeOff', when: MODEL_EDITOR, group: '1_espalier@9' },
    { command: 'espalier.finetune', when: MODEL_EDITOR, group: '1_espalier@5' },
    { command: 'espalier.evaluate', when: MODEL_EDITOR, group: '1_espalier@6' },
    { command: 'espalier.export', when: MODEL_EDITOR, group: '2_espalier@1' },
    { command: 'espalier.savePlan', when: MODEL_EDITOR, group: '2_espalier@2' },
    { command: 'espalier.applyPlan', when: MODEL_EDITOR, group: '2_espalier@3' },
    { command: 'espalier.comparePlan', when: MODEL_EDITOR, group: '2_espalier@4' },
    { command: 'espalier.graph.exportSvg', when: MODEL_EDITOR, group: '3_espalier@1' },
    { command: 'espalier.graph.exportPng', when: MODEL_EDITOR, group: '3_espalier@2' },
    { command: 'espalier.retryModel', when: MODEL_EDITOR, group: '4_espalier@1' },
  ],
  'webview/context': [
    { command: 'espalier.graph.selectGroup', when: `${ON_LAYER} && espalierGroup`, group: '1_select@1' },
    { command: 'espalier.graph.selectScope', when: `${ON_LAYER} && espalierGroup`, group: '1_select@2' },
    {
      command: 'espalier.pinLayer',
      when: `${ON_LAYER} && espalierPinOutputs && espalierPinInputs`,
      group: '2_pin@1',
    },
    { command: 'espalier.pinLayerOutputs', when: `${ON_LAYER} && espalierPinOutputs`, group: '2_pin@2' },
    { command: 'espalier.pinLayerInputs', when: `${ON_LAYER} && espalierPinInputs`, group: '2_pin@3' },
    { command: 'espalier.unpinLayer', when: `${ON_LAYER} && espalierPinned`, group: '2_pin@4' },
    { command: 'espalier.copyLayerName', when: ON_LAYER, group: '3_copy@1' },
  ],
  'view/title': [
    { command: 'espalier.loadCheckpoint', when: IN_MODELS, group: 'navigation@1' },
    { command: 'espalier.openZooModel', when: IN_MODELS, group: 'navigation@2' },
    { command: 'espalier.compare', when: IN_MODELS, group: 'navigation@3' },
    { command: 'espalier.openFromCode', when: IN_MODELS, group: '2_sample@0' },
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
    { command: 'espalier.pruneAndRepair', when: item(IN_MODELS, 'model'), group: '2_work@4' },
    { command: 'espalier.exploreTradeOff', when: item(IN_MODELS, 'model'), group: '2_work@7' },
    { command: 'espalier.finetune', when: item(IN_MODELS, 'file'), group: '2_work@5' },
    { command: 'espalier.evaluate', when: item(IN_MODELS, 'file'), group: '2_work@6' },
    { command: 'espalier.compare', when: item(IN_MODELS, 'file'), group: '2_work@7' },
    { command: 'espalier.export', when: item(IN_MODELS, 'model'), group: '3_export@1' },
    { command: 'espalier.removeModel', when: item(IN_MODELS, 'model'), group: '9_remove@1' },
    { command: 'espalier.revealLayer', when: item(IN_GROUPS, 'layer|group|scope'), group: 'inline@1' },
    { command: 'espalier.pinLayer', when: item(IN_GROUPS, 'layer'), group: '1_pin@1' },
    { command: 'espalier.pinLayerOutputs', when: item(IN_GROUPS, 'layer'), group: '1_pin@2' },
    { command: 'espalier.pinLayerInputs', when: item(IN_GROUPS, 'layer'), group: '1_pin@3' },
    { command: 'espalier.unpinLayer', when: item(IN_GROUPS, 'pinned'), group: '1_pin@4' },
    { command: 'espalier.copyLayerName', when: item(IN_GROUPS, 'layer'), group: '2_copy@1' },
    { command: 'espalier.openRun', when: item(IN_RUNS, 'run'), group: '1_open@1' },
    { command: 'espalier.openRunResult', when: item(IN_RUNS, 'result'), group: '1_open@2' },
    { command: 'espalier.openRunFolder', when: item(IN_RUNS, 'run'), group: '1_open@3' },
    { command: 'espalier.pauseRun', when: item(IN_RUNS, 'pausable'), group: 'inline@1' },
    { command: 'espalier.continueRun', when: item(IN_RUNS, 'paused'), group: 'inline@1' },
    { command: 'espalier.resumeRun', when: item(IN_RUNS, 'resumable'), group: 'inline@1' },
    { command: 'espalier.stopRun', when: item(IN_RUNS, 'stoppable'), group: 'inline@2' },
    { command: 'espalier.pauseRun', when: item(IN_RUNS, 'pausable'), group: '2_state@1' },
    { command: 'espalier.continueRun', when: item(IN_RUNS, 'paused'), group: '2_state@1' },
    { command: 'espalier.stopRunAfterEpoch', when: item(IN_RUNS, 'endable'), group: '2_state@2' },
    { command: 'espalier.stopRun', when: item(IN_RUNS, 'stoppable'), group: '2_state@3' },
    { command: 'espalier.resumeRun', when: item(IN_RUNS, 'resumable'), group: '2_state@4' },
    { command: 'espalier.renameRun', when: item(IN_RUNS, 'run'), group: '1_open@4' },
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

/** Every command and what it does: one table, exhaustive by type. All are always registered. */
import * as vscode from 'vscode';
import { openFromCode } from './commands/code-commands.ts';
import { selectDataset, showDataset } from './commands/data-commands.ts';
import { exploreTradeOff } from './commands/explore-commands.ts';
import { finetune, startFinetune } from './commands/finetune-commands.ts';
import { graphCommand } from './commands/graph-commands.ts';
import { measureLatency } from './commands/latency-commands.ts';
import * as load from './commands/load-commands.ts';
import { compare, evaluate, exportModel } from './commands/measure-commands.ts';
import * as plan from './commands/plan-commands.ts';
import { pruneAndRepair } from './commands/repair-commands.ts';
import * as runs from './commands/runs-commands.ts';
import * as runtime from './commands/runtime-commands.ts';
import { score } from './commands/score-commands.ts';
import { measureSensitivity, spreadTarget } from './commands/sensitivity-commands.ts';
import type { Services } from './commands/services.ts';
import { setTarget } from './commands/target-commands.ts';
import { type CommandId, commands, NEEDS_TRUST } from './contributions.ts';

/** Arguments come from menus, trees and other extensions: each command declares those it knows, and checks them. */
type Command = (services: Services, ...args: never[]) => unknown;

const table: { readonly [C in CommandId]: Command } = {
  'espalier.loadCheckpoint': load.loadCheckpoint,
  'espalier.openFromCode': openFromCode,
  'espalier.openFile': load.openFile,
  'espalier.openZooModel': load.openZooModel,
  'espalier.selectDataset': selectDataset,
  'espalier.showDataset': showDataset,
  'espalier.score': score,
  'espalier.setTarget': setTarget,
  'espalier.measureSensitivity': measureSensitivity,
  'espalier.spreadTarget': spreadTarget,
  'espalier.measureLatency': measureLatency,
  'espalier.prune': plan.prune,
  'espalier.pruneAndRepair': pruneAndRepair,
  'espalier.exploreTradeOff': exploreTradeOff,
  'espalier.finetune': finetune,
  'espalier.startFinetune': startFinetune,
  'espalier.evaluate': evaluate,
  'espalier.compare': compare,
  'espalier.export': exportModel,
  'espalier.savePlan': plan.savePlan,
  'espalier.applyPlan': plan.applyPlan,
  'espalier.comparePlan': plan.comparePlan,
  'espalier.retryModel': load.retryModel,

  'espalier.graph.fit': graphCommand('fit'),
  'espalier.graph.find': graphCommand('find'),
  'espalier.graph.expandAll': graphCommand('expandAll'),
  'espalier.graph.collapseAll': graphCommand('collapseAll'),
  'espalier.graph.expand': graphCommand('expand'),
  'espalier.graph.collapse': graphCommand('collapse'),
  'espalier.graph.expandSame': graphCommand('expandSame'),
  'espalier.graph.selectScope': graphCommand('selectScope'),
  'espalier.graph.selectGroup': graphCommand('selectGroup'),
  'espalier.graph.showKeys': graphCommand('showKeys'),
  'espalier.graph.toggleInspector': graphCommand('toggleInspector'),
  'espalier.graph.toggleTables': graphCommand('toggleTables'),
  'espalier.graph.pinOutputs': graphCommand('pinOutputs'),
  'espalier.graph.pinInputs': graphCommand('pinInputs'),
  'espalier.graph.exportSvg': graphCommand('exportSvg'),
  'espalier.graph.exportPng': graphCommand('exportPng'),
  'espalier.graph.showDense': graphCommand('showDense'),
  'espalier.graph.showSplit': graphCommand('showSplit'),
  'espalier.graph.showPruned': graphCommand('showPruned'),
  'espalier.graph.focusTarget': graphCommand('focusTarget'),
  'espalier.graph.showLayers': graphCommand('showLayers'),
  'espalier.graph.showScopes': graphCommand('showScopes'),
  'espalier.graph.showPlan': graphCommand('showPlan'),

  'espalier.pinLayer': plan.pinLayer,
  'espalier.pinLayerOutputs': plan.pinLayerOutputs,
  'espalier.pinLayerInputs': plan.pinLayerInputs,
  'espalier.copyLayerName': plan.copyLayerName,
  'espalier.unpinLayer': plan.unpinLayer,
  'espalier.revealLayer': plan.revealLayer,

  'espalier.openModel': load.openModel,
  'espalier.removeModel': load.removeModel,
  'espalier.revealModelFile': load.revealModelFile,

  'espalier.openRun': runs.openRun,
  'espalier.pauseRun': runs.pauseRun,
  'espalier.continueRun': runs.continueRun,
  'espalier.stopRunAfterEpoch': runs.stopRunAfterEpoch,
  'espalier.stopRun': runs.stopRun,
  'espalier.resumeRun': runs.resumeRun,
  'espalier.openRunFolder': runs.openRunFolder,
  'espalier.openRunResult': runs.openRunResult,
  'espalier.renameRun': runs.renameRun,
  'espalier.deleteRun': runs.deleteRun,
  'espalier.refreshRuns': runs.refreshRuns,

  'espalier.installRuntime': runtime.installRuntime,
  'espalier.showRuntime': runtime.showRuntime,
  'espalier.restartWorker': runtime.restartWorker,
  'espalier.showLog': runtime.showLog,
  'espalier.createSample': runtime.createSample,
  'espalier.openWalkthrough': runtime.openWalkthrough,
};

/** Says why nothing is run in a workspace that is not trusted, and offers to change that. */
async function refuseUntrusted(command: CommandId): Promise<void> {
  const manage = vscode.l10n.t('Manage Workspace Trust');
  const chosen = await vscode.window.showWarningMessage(
    vscode.l10n.t(
      '"{0}" needs a trusted workspace: it computes with and writes files here.',
      commands[command].title.replace('…', ''),
    ),
    manage,
  );
  if (chosen === manage) await vscode.commands.executeCommand('workbench.trust.manage');
}

export function registerCommands(services: Services): vscode.Disposable {
  const registered = (Object.keys(table) as CommandId[]).map((id) =>
    vscode.commands.registerCommand(id, async (...args: unknown[]) => {
      if (NEEDS_TRUST.has(id) && !vscode.workspace.isTrusted) return refuseUntrusted(id);
      try {
        await (table[id] as (services: Services, ...args: unknown[]) => unknown)(services, ...args);
      } catch (error) {
        // Not awaited: a command has ended although its message is still on the screen.
        void services.worker.report(error, {
          title: vscode.l10n.t('Try Again'),
          run: () => vscode.commands.executeCommand(id, ...args),
        });
      }
    }),
  );
  return vscode.Disposable.from(...registered);
}

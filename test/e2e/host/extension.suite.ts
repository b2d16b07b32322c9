/** The extension with the real `vscode` API, in the real extension host. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import * as vscode from 'vscode';
import { buildModel, findVariant } from '../../../src/engine/architectures/registry.ts';
import { writeSafetensors } from '../../../src/engine/checkpoint/safetensors/safetensors-write.ts';
import { commands, EDITOR_ID, EXTENSION_ID, settings, ZOO_SCHEME } from '../../../src/extension/contributions.ts';
import type { Api } from '../../../src/extension/main.ts';
import type { ModelSession } from '../../../src/extension/model/model-session.ts';
import { ENDED, type RunRequest } from '../../../src/extension/runs/run-record.ts';
import { DEFAULT_PLAN } from '../../../src/protocol/values.ts';
import { fillWeights } from '../../support/detfill.ts';

let api: Api;
/** Milliseconds that activation took. */
let activation: number;

const workspace = (): string => vscode.workspace.workspaceFolders?.[0]?.uri.fsPath ?? '';

async function until<T>(what: string, find: () => T | undefined | false, ms = 30_000): Promise<T> {
  const deadline = Date.now() + ms;
  for (;;) {
    const found = find();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > deadline) throw new Error(`timed out: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

async function openZoo(name: string): Promise<ModelSession> {
  await vscode.commands.executeCommand('espalier.openZooModel', name);
  const session = await until(name, () => api.services.sessions.find({ kind: 'zoo', name }));
  await session.open();
  return session;
}

/** A DeiT whose first block has fewer channels than its record, which is missing, would say how they are split into heads. */
async function writeBareTransformer(file: string): Promise<void> {
  const name = 'deit_tiny_patch16_224';
  const shapes = new Map(buildModel(name)?.parameters.map((parameter) => [parameter.name, parameter.shape]));
  shapes.set('blocks.0.attn.qkv.weight', [360, 192]);
  shapes.set('blocks.0.attn.qkv.bias', [360]);
  shapes.set('blocks.0.attn.proj.weight', [192, 120]);
  const graph = findVariant(name)?.build({ shapes: (parameter) => shapes.get(parameter) });
  assert.ok(graph);
  await writeSafetensors(file, fillWeights(graph));
}

/** Leaves so many images in each class of each split. */
function keepFew(dataset: string, count: number): void {
  for (const split of ['train', 'test'])
    for (const name of readdirSync(path.join(dataset, split)))
      for (const image of readdirSync(path.join(dataset, split, name)).slice(count))
        rmSync(path.join(dataset, split, name, image));
}

suite('Espalier', () => {
  suiteSetup(async () => {
    const extension = vscode.extensions.getExtension<Api>(EXTENSION_ID);
    assert.ok(extension);
    assert.equal(extension.isActive, false, 'activated although nothing asked for it');
    // The window is still starting: what it does would be measured too.
    await new Promise((resolve) => setTimeout(resolve, 4000));
    const start = performance.now();
    api = await extension.activate();
    activation = performance.now() - start;
  });

  test('activates without starting a process', () => {
    console.log(`activation: ${activation.toFixed(0)} ms`);
    assert.equal(api.services.worker.supervisor.state, 'idle');
  });

  test('registers every command', async () => {
    const registered = new Set(await vscode.commands.getCommands(true));
    for (const id of Object.keys(commands)) assert.ok(registered.has(id), id);
  });

  test('settings have the defaults that contributions.ts says', () => {
    for (const [id, { default: value }] of Object.entries(settings)) {
      const inspected = vscode.workspace.getConfiguration().inspect(id);
      assert.deepEqual(inspected?.defaultValue, value, id);
    }
  });

  test('opens a zoo model in the editor: graph, groups, range, no weights', async () => {
    const session = await openZoo('resnet50');
    const { input } = vscode.window.tabGroups.activeTabGroup.activeTab ?? {};
    assert.ok(input instanceof vscode.TabInputCustom);
    assert.equal(input.viewType, EDITOR_ID);
    assert.equal(input.uri.scheme, ZOO_SCHEME);
    assert.equal(session.state.phase, 'ready');
    assert.equal(session.info?.name, 'resnet50');
    assert.ok((session.state.groups?.scopes.length ?? 0) > 0);
    assert.ok((session.state.range?.min ?? 0) > 0);
    assert.match(session.state.cannotRun, /no weights/);
    assert.equal(api.services.sessions.active, session);
  });

  test('the zoo’s documents are read-only', async () => {
    const uri = vscode.Uri.from({ scheme: ZOO_SCHEME, path: '/resnet50' });
    await assert.rejects(async () => vscode.workspace.fs.writeFile(uri, new Uint8Array()));
    await assert.rejects(async () => vscode.workspace.fs.delete(uri));
  });

  test('plans live: targets, pins, and what cannot be reached', async () => {
    const session = await openZoo('resnet50');
    const plan = await session.target.set('50%');
    assert.ok(plan && plan.after.macs <= plan.before.macs / 2);
    assert.equal(session.state.planStale, false);
    const node = session.state.view?.nodes.findIndex(({ id }) => id === 'layer1.0.conv1') ?? -1;
    assert.ok(plan.widths[node] < 64);
    const pinned = await session.pin('layer1.0.conv1', 'out', true);
    assert.equal(pinned?.widths[node], 64);
    assert.deepEqual(session.state.settings.pins, [{ layer: 'layer1.0.conv1', side: 'out' }]);
    await session.pin('layer1.0.conv1', 'in', true);
    assert.deepEqual(session.state.settings.pins, [{ layer: 'layer1.0.conv1', side: 'both' }]);
    await session.pin('layer1.0.conv1', 'both', false);
    assert.deepEqual(session.state.settings.pins, []);
    await assert.rejects(session.target.set('0.001%'), /cannot be pruned/);
    assert.throws(() => session.target.parse('half'), /no target/);
  });

  test('of many targets at once the newest counts', async () => {
    const session = await openZoo('resnet50');
    const dense = session.info?.macs ?? 0;
    const shares = Array.from({ length: 20 }, (_, i) => 0.9 - 0.02 * i);
    const plans = await Promise.all(shares.map((share) => session.target.setMacs(share * dense)));
    assert.ok(plans.at(-1));
    assert.ok(plans.filter((plan) => plan === undefined).length >= 15, 'older targets were all planned');
    assert.ok(Math.abs((session.state.plan?.target ?? 0) - shares.at(-1)! * dense) < 1);
  });

  test('a file that is no checkpoint: the editor says so, and reads it again when asked', async () => {
    const file = path.join(workspace(), 'no checkpoint ü.pth');
    writeFileSync(file, 'not a pickle');
    const source = { kind: 'file', path: file } as const;
    await vscode.commands.executeCommand('espalier.loadCheckpoint', vscode.Uri.file(file));
    const session = await until('session', () => api.services.sessions.find(source));
    await session.open();
    assert.equal(session.state.phase, 'failed');
    assert.match(session.state.message, /no checkpoint ü\.pth: it is neither a safetensors nor a PyTorch file/);
    await vscode.commands.executeCommand('workbench.action.closeActiveEditor');
    await until('release', () => api.services.sessions.find(source) === undefined);
  });

  test('a pruned transformer without a record: the heads are asked for once, the answer is kept', async () => {
    const file = path.join(workspace(), 'bare.safetensors');
    await writeBareTransformer(file);
    const source = { kind: 'file', path: file } as const;
    const open = async (): Promise<ModelSession> => {
      await vscode.commands.executeCommand('espalier.loadCheckpoint', vscode.Uri.file(file));
      return until('session', () => api.services.sessions.find(source));
    };
    const first = await open();
    await new Promise((resolve) => setTimeout(resolve, 500));
    assert.equal(first.state.phase, 'loading');
    await until('an answer', () => {
      void vscode.commands.executeCommand('workbench.action.acceptSelectedQuickOpenItem');
      return first.state.phase !== 'loading';
    });
    assert.equal(first.state.phase, 'ready', first.state.message);
    await vscode.commands.executeCommand('workbench.action.closeActiveEditor');
    await until('release', () => api.services.sessions.find(source) === undefined);
    const again = await open();
    await until('opening unasked', () => again.state.phase === 'ready');
    await vscode.commands.executeCommand('workbench.action.closeActiveEditor');
  });

  test('pages: scripts by nonce alone, nothing from elsewhere, no name of a file in the HTML', async () => {
    const file = path.join(workspace(), '<img src=x>.pth');
    writeFileSync(file, 'nothing');
    await vscode.commands.executeCommand('espalier.loadCheckpoint', vscode.Uri.file(file));
    const session = await until('session', () => api.services.sessions.find({ kind: 'file', path: file }));
    const [{ panel }] = api.services.editors.editorsOf(session);
    const { html, options, cspSource } = panel.webview;
    const policy = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(html)?.[1] ?? '';
    assert.match(policy, /^default-src 'none'; script-src 'nonce-[A-Za-z0-9+/]{24}';/);
    assert.doesNotMatch(policy, /unsafe|\*(?!\.)/);
    const hosts = policy.replaceAll(cspSource, '').match(/https?:\/\/[^ ;]+/g) ?? [];
    assert.deepEqual(hosts, []);
    assert.doesNotMatch(html, /<img|style="|onerror/);
    assert.deepEqual(
      options.localResourceRoots?.map(({ path: root }) => root.split('/').slice(-2).join('/')),
      ['dist/webview'],
    );
    await vscode.commands.executeCommand('workbench.action.closeActiveEditor');
  });

  test('the data set is checked and kept in the workspace', async () => {
    const folder = path.join(workspace(), 'no images');
    mkdirSync(folder);
    await assert.rejects(api.services.datasets.use(folder), /no images has no class folders/);
    assert.equal(api.services.datasets.current, null);
    await api.services.memory.set('dataset', folder);
    assert.equal(api.services.context.workspaceState.get('espalier.dataset'), folder);
    await api.services.memory.set('dataset', null);
  });

  test('the worker killed: the next request is answered by another', async () => {
    const session = await openZoo('resnet50');
    const { supervisor } = api.services.worker;
    const first = supervisor.pid;
    assert.ok(first);
    process.kill(first, 'SIGKILL');
    await until('death', () => supervisor.pid !== first);
    const plan = await session.target.set('60%');
    assert.ok(plan && plan.after.macs > 0);
    assert.notEqual(supervisor.pid, first);
  });

  test('killed in each phase: interrupted, and resumed to the end', async () => {
    const { runs, worker } = api.services;
    const folder = path.join(workspace(), 'a sample');
    const { model, dataset } = await worker.request('sample/create', { folder });
    keepFew(dataset, 40);
    const source = { kind: 'file', path: model } as const;
    const output = (name: string) => ({ output: path.join(folder, name), overwrite: false });
    const plan = { ...DEFAULT_PLAN, target: { kind: 'macs', text: '50%' } } as const;
    const scores = { criterion: 'taylor', batches: 4, batchSize: 64, seed: 0, dataPath: dataset } as const;
    const images = { dataPath: dataset, batchSize: 64 };
    const requests: readonly RunRequest[] = [
      { kind: 'score', source, settings: scores },
      { kind: 'prune', source, scores, plan, ...output('half.safetensors') },
      {
        kind: 'finetune',
        source,
        settings: { recipe: 'cifar', dataPath: dataset, flags: { epochs: 1, 'batch-size': 64 } },
      },
      { kind: 'evaluate', sources: [source], settings: { ...images, split: 'val', benchmark: false } },
      { kind: 'export', source, format: 'onnx', ...output('net.onnx') },
    ];
    for (const request of requests) {
      await worker.request('runtime/status', {});
      const stop = runs.queue.listen({
        progress: (record) => {
          stop();
          // Finetuning has a process of its own; the rest is done by the worker.
          const pid = request.kind === 'finetune' ? record.owner?.pid : worker.supervisor.pid;
          process.kill(pid ?? assert.fail('no process'), 'SIGKILL');
        },
      });
      const { id } = await runs.start(request, request.kind);
      const interrupted = await until(`${request.kind} ended`, () => {
        const record = runs.find(id);
        return record && ENDED.has(record.state) ? record : undefined;
      });
      assert.equal(interrupted.state, 'interrupted', `${request.kind}: ${interrupted.error}`);
      await runs.resume(interrupted);
      const ended = await until(
        `${request.kind} resumed`,
        () => {
          const record = runs.find(id);
          return record && record !== interrupted && ENDED.has(record.state) ? record : undefined;
        },
        90_000,
      );
      assert.equal(ended.state, 'done', `${request.kind}: ${ended.error}`);
      await runs.remove(ended);
    }
    rmSync(runs.store.folder, { recursive: true });
  }).timeout(180_000);

  test('selection goes from the tree to the session', async () => {
    const session = await openZoo('resnet50');
    const { groupsTree } = api.services;
    const [scope] = groupsTree.getChildren();
    const [group] = groupsTree.getChildren(scope);
    const [layer] = groupsTree.getChildren(group);
    assert.deepEqual([scope.type, group.type, layer.type], ['scope', 'group', 'layer']);
    assert.equal(groupsTree.getParent(layer), group);
    groupsTree.selectInGraph(layer, true);
    assert.deepEqual(session.selection.nodes, groupsTree.layersOf(layer));
  });

  test('a model stays in the list after its editor was closed', async () => {
    await openZoo('resnet20');
    await vscode.commands.executeCommand('workbench.action.closeActiveEditor');
    assert.ok(api.services.library.find({ kind: 'zoo', name: 'resnet20' }));
    await vscode.commands.executeCommand('espalier.removeModel', { kind: 'zoo', name: 'resnet20' });
    assert.equal(api.services.library.find({ kind: 'zoo', name: 'resnet20' }), undefined);
  });

  test('tasks run the command line', async () => {
    const all = await vscode.tasks.fetchTasks({ type: 'espalier' });
    const models = all.find(({ definition }) => definition['command'] === 'models');
    assert.ok(models);
    const ended = new Promise<number | undefined>((resolve) => {
      const listener = vscode.tasks.onDidEndTaskProcess(({ execution, exitCode }) => {
        if (execution.task.name !== models.name) return;
        listener.dispose();
        resolve(exitCode);
      });
    });
    await vscode.tasks.executeTask(models);
    assert.equal(await ended, 0);
  });

  test('runs are kept in the workspace', () => {
    assert.equal(api.services.runs.store.folder, path.join(workspace(), '.espalier', 'runs'));
    assert.equal(existsSync(api.services.runs.store.folder), false, 'made before there was a run');
  });
});

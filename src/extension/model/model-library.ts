/** The models of this workspace: those opened and those that runs have written, remembered with their figures. */
import { existsSync } from 'node:fs';
import * as vscode from 'vscode';
import type { ModelInfo, ModelSource } from '../../protocol/values.ts';
import { setContext } from '../context-keys.ts';
import type { KnownModel, Memory } from '../workspace-memory.ts';
import { modelKey } from './model-uri.ts';

export class ModelLibrary implements vscode.Disposable {
  private readonly changes = new vscode.EventEmitter<void>();
  readonly onDidChange = this.changes.event;

  constructor(private readonly memory: Memory) {
    setContext('espalier.anyModel', this.models.length > 0);
  }

  get models(): readonly KnownModel[] {
    return this.memory.get('models');
  }

  find(source: ModelSource): KnownModel | undefined {
    return this.models.find((model) => modelKey(model.source) === modelKey(source));
  }

  /** Adds a model, or renews its figures. */
  async add(info: ModelInfo): Promise<void> {
    const key = modelKey(info.source);
    const known = this.models.some((model) => modelKey(model.source) === key);
    const entry: KnownModel = { source: info.source, info };
    await this.write(
      known ? this.models.map((model) => (modelKey(model.source) === key ? entry : model)) : [...this.models, entry],
    );
    if (info.source.kind === 'file') await this.memory.addRecent('recentFiles', info.source.path);
  }

  async remove(source: ModelSource): Promise<void> {
    await this.write(this.models.filter((model) => modelKey(model.source) !== modelKey(source)));
  }

  /** Models without a parent in the list, files that are gone left out. */
  get roots(): readonly KnownModel[] {
    const files = new Set(this.present.map(({ source }) => (source.kind === 'file' ? source.path : '')));
    return this.present.filter(({ info }) => !info?.lineage?.parent || !files.has(info.lineage.parent));
  }

  /** Models that were made from this one. */
  childrenOf(model: KnownModel): readonly KnownModel[] {
    const { source } = model;
    if (source.kind !== 'file') return [];
    return this.present.filter(({ info, source: own }) => info?.lineage?.parent === source.path && own !== source);
  }

  /** The dense model that a model descends from by pruning and finetuning, as far as files tell; itself where nothing is known. */
  denseOf(source: ModelSource): ModelSource {
    const seen = new Set<string>();
    let now = source;
    for (;;) {
      seen.add(modelKey(now));
      const parent = this.find(now)?.info?.lineage?.parent;
      const next: ModelSource | undefined = parent === undefined ? undefined : { kind: 'file', path: parent };
      if (!next || seen.has(modelKey(next))) return now;
      now = next;
    }
  }

  private get present(): readonly KnownModel[] {
    return this.models.filter(({ source }) => source.kind === 'zoo' || existsSync(source.path));
  }

  private async write(models: readonly KnownModel[]): Promise<void> {
    await this.memory.set('models', models);
    setContext('espalier.anyModel', models.length > 0);
    this.changes.fire();
  }

  dispose(): void {
    this.changes.dispose();
  }
}

/** What is remembered per workspace, and its types: one place, so that no two features share a key by accident. */
import type * as vscode from 'vscode';
import type { EditorFrame } from '../protocol/graph-editor.ts';
import type { SensitivitySettings } from '../protocol/sensitivity-values.ts';
import type { EvaluationResult, ModelInfo, ModelSource, PlanSettings, ScoreSettings } from '../protocol/values.ts';

/** A model in the Models view. */
export interface KnownModel {
  readonly source: ModelSource;
  /** As it was when it was last opened; absent while it never was. */
  readonly info?: ModelInfo;
}

/** What belongs to a model and is not in its file. */
export interface ModelMemory {
  /** The person's answer where the architecture was ambiguous. */
  readonly architecture?: string;
  readonly plan?: PlanSettings;
  /** A target was set by the person. */
  readonly targetSet?: boolean;
  /** MACs that it came to. */
  readonly macs?: number;
  /** Key of the times that were measured last. */
  readonly times?: string;
  readonly scores?: ScoreSettings;
  readonly sensitivity?: SensitivitySettings;
  /** File written by the last Prune. */
  readonly pruned?: string;
  /** MACs of the plan that was shown then. */
  readonly prunedFor?: number;
}

/** A row of the comparison, and what the model said of each image (in the run's folder). */
export interface ComparisonRow {
  readonly result: EvaluationResult;
  readonly predictionsFile?: string;
}

export interface WorkspaceMemory {
  readonly models: readonly KnownModel[];
  /** Files opened last, newest first. */
  readonly recentFiles: readonly string[];
  readonly dataset: string | null;
  readonly recentDatasets: readonly string[];
  readonly byModel: Readonly<Record<string, ModelMemory>>;
  readonly comparison: readonly ComparisonRow[];
  readonly baseline: string | null;
  /** Of the model editor that was changed last. */
  readonly editorFrame: EditorFrame | null;
  /** It was said that ONNX Runtime computes. */
  readonly toldBackend: boolean;
}

const EMPTY: WorkspaceMemory = {
  models: [],
  recentFiles: [],
  dataset: null,
  recentDatasets: [],
  byModel: {},
  comparison: [],
  baseline: null,
  editorFrame: null,
  toldBackend: false,
};

const RECENT_LIMIT = 20;

export class Memory {
  constructor(private readonly state: vscode.Memento) {}

  get<K extends keyof WorkspaceMemory>(key: K): WorkspaceMemory[K] {
    return this.state.get(`espalier.${key}`) ?? EMPTY[key];
  }

  async set<K extends keyof WorkspaceMemory>(key: K, value: WorkspaceMemory[K]): Promise<void> {
    await this.state.update(`espalier.${key}`, value);
  }

  /** Puts a path in front of a list of recent ones. */
  async addRecent(key: 'recentFiles' | 'recentDatasets', path: string): Promise<void> {
    const others = this.get(key).filter((known) => known !== path);
    await this.set(key, [path, ...others].slice(0, RECENT_LIMIT));
  }

  ofModel(key: string): ModelMemory {
    return this.get('byModel')[key] ?? {};
  }

  async updateModel(key: string, change: Partial<ModelMemory>): Promise<void> {
    await this.set('byModel', { ...this.get('byModel'), [key]: { ...this.ofModel(key), ...change } });
  }
}

/** What the editor shows of a model before it is read. */
import * as vscode from 'vscode';
import type { GraphEditorState } from '../../protocol/graph-editor.ts';
import type { ModelSource } from '../../protocol/values.ts';
import type { Memory } from '../workspace-memory.ts';
import { modelKey, modelTitle, uriOf } from './model-uri.ts';
import { defaultPlan } from './plan-settings.ts';

export const unreadModel = (source: ModelSource, memory: Memory): GraphEditorState => ({
  title: modelTitle(source),
  phase: 'loading',
  message: vscode.l10n.t('Reading {0}…', modelTitle(source)),
  view: null,
  groups: null,
  scores: null,
  sensitivity: null,
  range: null,
  target: null,
  plan: null,
  planStale: false,
  pruned: null,
  settings: memory.ofModel(modelKey(source)).plan ?? defaultPlan(uriOf(source)),
  task: null,
  cannotRun: '',
  dataset: memory.get('dataset'),
});

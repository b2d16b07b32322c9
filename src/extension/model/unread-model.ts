/** What the editor shows of a model before it is read. */
import * as vscode from 'vscode';
import { type GraphEditorState, UNREAD_MODEL } from '../../protocol/graph-editor.ts';
import type { ModelSource } from '../../protocol/values.ts';
import type { Memory } from '../workspace-memory.ts';
import { modelKey, modelTitle, uriOf } from './model-uri.ts';
import { defaultPlan } from './plan-settings.ts';

export const unreadModel = (source: ModelSource, memory: Memory): GraphEditorState => ({
  ...UNREAD_MODEL,
  title: modelTitle(source),
  message: vscode.l10n.t('Reading {0}…', modelTitle(source)),
  settings: memory.ofModel(modelKey(source)).plan ?? defaultPlan(uriOf(source)),
  dataset: memory.get('dataset'),
});

/** A model's source and the URI of its document. */
import path from 'node:path';
import * as vscode from 'vscode';
import type { ModelSource } from '../../protocol/values.ts';
import { ZOO_SCHEME } from '../contributions.ts';
import { runFolderOf } from './distinct-titles.ts';

export function sourceOf(uri: vscode.Uri): ModelSource {
  return uri.scheme === ZOO_SCHEME ? { kind: 'zoo', name: uri.path.slice(1) } : { kind: 'file', path: uri.fsPath };
}

export function uriOf(source: ModelSource): vscode.Uri {
  return source.kind === 'zoo'
    ? vscode.Uri.from({ scheme: ZOO_SCHEME, path: `/${source.name}` })
    : vscode.Uri.file(source.path);
}

/** The same model whatever was answered about it: key of sessions and of what is remembered. */
export const modelKey = (source: ModelSource): string =>
  source.kind === 'zoo' ? `zoo:${source.name}` : `file:${source.path}`;

/** Checkpoints of a run are called by what was finetuned: all of them have the same name. */
const RUN_FOLDER = /^[\d-]+T[\d-]+-finetune-(.+)$/;

/** `resnet20.th`, `resnet50`, `resnet20-half, finetuned`. */
export function modelTitle(source: ModelSource): string {
  if (source.kind === 'zoo') return source.name;
  const name = path.basename(source.path);
  const run = RUN_FOLDER.exec(runFolderOf(source.path))?.[1];
  if (!run || !name.endsWith('.safetensors')) return name;
  return name === 'best.safetensors'
    ? `${run}, finetuned`
    : `${run}, finetuned (${path.basename(name, '.safetensors')})`;
}

/** Shortest path that says where it is: relative to the workspace where it lies inside. */
export const shortPath = (file: string): string => vscode.workspace.asRelativePath(file);

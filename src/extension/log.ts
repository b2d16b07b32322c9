/** The extension's log, in the Output view. */
import * as vscode from 'vscode';

export type Log = vscode.LogOutputChannel;

export const createLog = (): Log => vscode.window.createOutputChannel('Espalier', { log: true });

/** The models that are open, and which of them is in front. */
import * as vscode from 'vscode';
import type { ScoresView } from '../../protocol/graph-view.ts';
import type { ModelSource, ScoreSettings } from '../../protocol/values.ts';
import { setContext } from '../context-keys.ts';
import { ModelSession, type SessionServices } from './model-session.ts';
import { modelKey } from './model-uri.ts';

export class ModelSessions implements vscode.Disposable {
  private readonly open = new Map<string, { readonly session: ModelSession; users: number }>();
  private activeNow: ModelSession | undefined;
  private readonly activeChanges = new vscode.EventEmitter<ModelSession | undefined>();
  private readonly changes = new vscode.EventEmitter<ModelSession>();
  readonly onDidChangeActive = this.activeChanges.event;
  /** Something changed in some session. */
  readonly onDidChange = this.changes.event;

  constructor(private readonly services: SessionServices) {
    services.worker.supervisor.on('worker/ready', () => this.renewTimes());
  }

  /** The session of a model; give it back with `release`. */
  acquire(source: ModelSource): ModelSession {
    const key = modelKey(source);
    const known = this.open.get(key);
    if (known) {
      known.users++;
      return known.session;
    }
    const session = new ModelSession(source, this.services);
    session.onDidChange(() => {
      this.changes.fire(session);
      if (session === this.activeNow) this.updateContext();
    });
    this.open.set(key, { session, users: 1 });
    return session;
  }

  release(session: ModelSession): void {
    const entry = this.open.get(session.key);
    if (!entry || --entry.users > 0) return;
    this.open.delete(session.key);
    session.dispose();
    const { worker } = this.services;
    if (worker.supervisor.state === 'running') {
      worker.request('model/close', { source: session.source }).catch(() => undefined);
    }
    if (this.activeNow === session) this.setActive([...this.open.values()].at(-1)?.session);
  }

  find(source: ModelSource): ModelSession | undefined {
    return this.open.get(modelKey(source))?.session;
  }

  /** Scores of a run that has ended; a model that is closed has them when it is opened next. */
  async keepScores(source: ModelSource, scores: ScoreSettings, view: ScoresView): Promise<void> {
    const session = this.find(source);
    if (session) await session.applyScores(scores, view);
    else await this.services.memory.updateModel(modelKey(source), { scores });
  }

  /** Something else may compute now: times that were measured may be those of another machine. */
  renewTimes(): void {
    for (const session of this.all) void session.times.check();
  }

  get all(): readonly ModelSession[] {
    return [...this.open.values()].map(({ session }) => session);
  }

  /** The model whose editor has, or last had, the focus. */
  get active(): ModelSession | undefined {
    return this.activeNow;
  }

  setActive(session: ModelSession | undefined): void {
    if (this.activeNow === session) return;
    this.activeNow = session;
    this.updateContext();
    this.activeChanges.fire(session);
  }

  private updateContext(): void {
    const state = this.activeNow?.state;
    setContext('espalier.modelActive', state?.phase === 'ready');
    setContext('espalier.modelHasScores', Boolean(state?.scores));
    setContext('espalier.modelHasPlan', Boolean(state?.plan));
  }

  dispose(): void {
    for (const { session } of this.open.values()) session.dispose();
    this.open.clear();
    this.activeChanges.dispose();
    this.changes.dispose();
  }
}

/** The one status bar item: backend and device when idle; phase, percent and time left during a run. */
import * as vscode from 'vscode';
import { formatSeconds } from '../common/format.ts';
import type { RuntimeStatus } from '../protocol/values.ts';
import { formatProgress, shareDone } from './progress-text.ts';
import { placeOf } from './runs/run-record.ts';
import type { RunService } from './runs/run-service.ts';
import type { Worker } from './supervision/worker.ts';
import type { Memory } from './workspace-memory.ts';

/** TensorFlow's library for the processor, as docs/extension.md says. */
export const RUNTIME_DOWNLOAD = '274 MB';

export class StatusBar implements vscode.Disposable {
  private readonly item = vscode.window.createStatusBarItem('espalier.status', vscode.StatusBarAlignment.Left, 10);
  private readonly subscriptions: readonly vscode.Disposable[];
  private status: RuntimeStatus | undefined;

  constructor(
    private readonly runs: RunService,
    private readonly worker: Worker,
    private readonly memory: Memory,
  ) {
    this.item.name = 'Espalier';
    const stop = worker.supervisor.onState((state) => {
      if (state === 'running' && !this.status) void this.readStatus();
      this.update();
    });
    this.subscriptions = [this.item, runs.onDidChange(() => this.update()), { dispose: stop }];
    this.update();
    this.item.show();
  }

  /** Asks the worker what it computes with, once it runs for some other reason. */
  async readStatus(): Promise<RuntimeStatus | undefined> {
    this.status = await this.worker.request('runtime/status', {}).catch(() => undefined);
    this.update();
    return this.status;
  }

  setStatus(status: RuntimeStatus): void {
    this.status = status;
    this.update();
  }

  /** Says once that ONNX Runtime computes, and how to have it faster. */
  async tellBackendOnce(): Promise<void> {
    const status = this.status ?? (await this.readStatus());
    if (!status || status.installed || this.memory.get('toldBackend')) return;
    await this.memory.set('toldBackend', true);
    const install = vscode.l10n.t('Install TensorFlow Runtime');
    const chosen = await vscode.window.showInformationMessage(
      vscode.l10n.t(
        'Espalier computes with ONNX Runtime. The TensorFlow runtime gives the same results faster: a download of {0}, once.',
        RUNTIME_DOWNLOAD,
      ),
      install,
    );
    if (chosen === install) await vscode.commands.executeCommand('espalier.installRuntime');
  }

  private update(): void {
    const run = this.runs.queue.current;
    if (run) this.showRun(run.id);
    else this.showIdle();
  }

  private showRun(id: string): void {
    const { queue } = this.runs;
    const run = queue.find(id);
    const progress = queue.progressOf(id);
    if (!run) return;
    const share = progress && shareDone(progress);
    const percent = share === undefined ? '' : ` ${Math.floor(share * 100)} %`;
    const eta = progress?.eta === undefined ? '' : ` · ${formatSeconds(progress.eta)}`;
    const paused = run.state === 'paused';
    // Of a job: where it stands, and its epoch.
    const where = placeOf(run) && progress?.message ? ` · ${progress.message}${percent ? ' ·' : ''}` : '';
    this.item.text = `${paused ? '$(debug-pause)' : '$(loading~spin)'} ${run.title}${where}${percent}${paused ? '' : eta}`;
    this.item.command = { command: 'espalier.openRun', title: vscode.l10n.t('Open Run'), arguments: [run] };
    const queued = queue.queued.length;
    this.item.tooltip = [
      run.subject,
      progress ? formatProgress(progress) : '',
      queued ? vscode.l10n.t('{0} more in the queue', queued) : '',
    ]
      .filter((line) => line !== '')
      .join('\n');
    this.item.accessibilityInformation = { label: `Espalier: ${run.title}${percent}` };
  }

  private showIdle(): void {
    const { state } = this.worker.supervisor;
    const failed = state === 'failed';
    const text = failed ? vscode.l10n.t('worker stopped') : (this.status?.backend ?? 'Espalier');
    this.item.text = `${failed ? '$(error)' : '$(type-hierarchy-sub)'} ${text}`;
    this.item.command = failed ? 'espalier.restartWorker' : 'espalier.showRuntime';
    this.item.tooltip = failed
      ? vscode.l10n.t('The worker died several times. Click to restart it.')
      : ['Espalier', this.status?.backend, this.status?.device, this.status?.reason].filter(Boolean).join('\n');
    this.item.accessibilityInformation = { label: `Espalier: ${text}` };
  }

  dispose(): void {
    for (const subscription of this.subscriptions) subscription.dispose();
  }
}

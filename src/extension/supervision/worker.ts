/** The supervised worker as the rest of the extension uses it. */
import * as vscode from 'vscode';
import type { ParamsOf, ResultOf, WorkerMethod } from '../../protocol/messages.ts';
import type { Log } from '../log.ts';
import { onSettingChange } from '../settings.ts';
import { nodeCommand } from './node-command.ts';
import { isCancelled, isWorkerLost, RequestError } from './request-error.ts';
import { type RequestOptions, WorkerSupervisor } from './worker-supervisor.ts';

/** Questions that change nothing: when the worker dies under one, the next worker is asked, and the person need not know. */
const ASKED_AGAIN: ReadonlySet<WorkerMethod> = new Set<WorkerMethod>([
  'models/list',
  'model/open',
  'model/details',
  'dataset/validate',
  'score/cached',
  'latency/cached',
  'plan/range',
  'plan/compute',
  'plan/export',
  'finetune/defaults',
  'finetune/check',
  'run/history',
  'evaluate/changed',
  'runtime/status',
]);

export class Worker implements vscode.Disposable {
  readonly supervisor: WorkerSupervisor;
  private readonly subscriptions: vscode.Disposable[] = [];

  constructor(
    context: Pick<vscode.ExtensionContext, 'extensionUri' | 'storageUri' | 'globalStorageUri'>,
    private readonly log: Log,
  ) {
    this.supervisor = new WorkerSupervisor({
      command: () => nodeCommand(context, 'worker.cjs'),
      log: (line) => log.info(`worker: ${line}`),
    });
    this.supervisor.on('worker/ready', ({ pid, node }) => log.info(`worker ${pid} runs on Node ${node}`));
    this.supervisor.on('log', ({ level, message }) => log[level](`worker: ${message}`));
    this.subscriptions.push(
      onSettingChange(
        ['espalier.backend', 'espalier.device', 'espalier.pixels', 'espalier.worker.memory', 'espalier.worker.node'],
        () => {
          if (this.supervisor.state !== 'idle') void this.offerRestart();
        },
      ),
    );
  }

  /** As the supervisor's; defects are logged with the worker's stack. */
  async request<M extends WorkerMethod>(
    method: M,
    params: ParamsOf<M>,
    options?: RequestOptions,
  ): Promise<ResultOf<M>> {
    try {
      return await this.supervisor.request(method, params, options).catch((error: unknown) => {
        const again = error instanceof RequestError && error.died && ASKED_AGAIN.has(method);
        if (again) return this.supervisor.request(method, params, options);
        throw error;
      });
    } catch (error) {
      if (error instanceof RequestError && error.kind === 'defect')
        this.log.error(`${method}: ${error.workerStack ?? error.message}`);
      throw error;
    }
  }

  /** Tells the person about a failure, unless they caused it. `retry`: what to offer when the worker was lost; `subject`: what failed. */
  async report(
    error: unknown,
    retry?: { readonly title: string; readonly run: () => unknown },
    subject?: string,
  ): Promise<void> {
    if (isCancelled(error)) return;
    const showLog = vscode.l10n.t('Show Log');
    const text = error instanceof Error ? error.message : String(error);
    const message = subject ? `${subject}: ${text}` : text;
    this.log.error(message);
    const actions = [...(retry && isWorkerLost(error) ? [retry.title] : []), showLog];
    const [headline] = message.split('\n');
    const chosen = await vscode.window.showErrorMessage(headline, ...actions);
    if (chosen === showLog) this.log.show();
    else if (chosen && retry) await retry.run();
  }

  private async offerRestart(): Promise<void> {
    const restart = vscode.l10n.t('Restart Worker');
    const chosen = await vscode.window.showInformationMessage(
      vscode.l10n.t('The setting takes effect when the worker starts again. A run under way would be interrupted.'),
      restart,
    );
    if (chosen === restart) await this.supervisor.restart().catch((error: unknown) => this.report(error));
  }

  dispose(): void {
    for (const subscription of this.subscriptions) subscription.dispose();
    void this.supervisor.dispose();
  }
}

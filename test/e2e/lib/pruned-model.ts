/** What many flows begin with: the sample's network open, pruned to half its MACs, and a data set chosen. */
import path from 'node:path';
import type { Session } from './session.ts';

const LIMIT_MS = 300_000;

/** Loads `resnet20.pth` of the workspace, prunes it to `half.safetensors`, selects `images`; the model is in front. */
export async function pruneHalf({ workbench: wb, workspace }: Session): Promise<void> {
  const view = () => wb.webview();
  await wb.showViews();
  await wb.run('Espalier: Load Checkpoint');
  await wb.pick('resnet20.pth');
  await view().getByText('Scored by the size').waitFor();
  await wb.run('Espalier: Set FLOP Target');
  await wb.answer('50%');
  await view().getByText('reached').first().waitFor();
  await wb.run('Espalier: Prune Model');
  await wb.answerPath(path.join(workspace, 'half.safetensors'));
  await wb.row('Models', 'half.safetensors').waitFor({ timeout: LIMIT_MS });
  await wb.clearNotifications();
  await wb.run('Espalier: Select Data Set');
  await wb.answerPath(path.join(workspace, 'images'));
  await wb.tab('Data set images').waitFor();
  await wb.tab('resnet20.pth').click();
}

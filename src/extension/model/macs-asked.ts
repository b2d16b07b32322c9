/** The FLOP target as a person types it, in MACs of one image. */
import * as vscode from 'vscode';
import { macsOfText, meantShare } from '../../common/flop-target.ts';
import { RequestError } from '../supervision/request-error.ts';

/** @throws RequestError of kind `user` where the text cannot be read, or was probably meant as a share */
export function macsAsked(text: string, dense: number): number {
  const share = meantShare(text);
  if (share !== undefined)
    throw new RequestError(
      'user',
      vscode.l10n.t('{0} MACs? Write {1} for a share, 2.05G or 4200M for MACs.', text.trim(), share),
    );
  const macs = macsOfText(text, dense);
  if (macs === undefined)
    throw new RequestError('user', vscode.l10n.t('"{0}" is no target: write 2.05G, 4200M, 50% or -30%.', text));
  return macs;
}

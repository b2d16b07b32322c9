/** The FLOP target as a person types it, in MACs of one image. */
import * as vscode from 'vscode';
import type { CostUnit } from '../../common/cost-unit.ts';
import { macsOfText, meantShare } from '../../common/flop-target.ts';
import { RequestError } from '../supervision/request-error.ts';

/** @throws RequestError of kind `user` where the text cannot be read, or was probably meant as a share */
export function macsAsked(text: string, dense: number, unit: CostUnit = 'MACs'): number {
  const share = meantShare(text);
  if (share !== undefined)
    throw new RequestError(
      'user',
      vscode.l10n.t('{0} {2}? Write {1} for a share, 2.05G or 4200M for {2}.', text.trim(), share, unit),
    );
  const macs = macsOfText(text, dense, unit);
  if (macs === undefined)
    throw new RequestError('user', vscode.l10n.t('"{0}" is no target: write 2.05G, 4200M, 50% or -30%.', text));
  return macs;
}

/** The target as settings keep it: a share, or MACs. */
export const keptTarget = (text: string, macs: number, unit: CostUnit): string =>
  unit === 'MACs' || text.includes('%') ? text : String(macs);

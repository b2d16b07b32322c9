/** The target: asked for in the cost's unit or as a time. */
import * as vscode from 'vscode';
import { formatMilliseconds } from '../../common/format.ts';
import { costUnit, formatMacs } from '../cost-text.ts';
import type { ModelSession } from '../model/model-session.ts';
import { isTime, needTime } from '../model/session-times.ts';
import { measureLatency, timeHint } from './latency-commands.ts';
import { askText } from './questions.ts';
import { chooseModel, openSession, type Services } from './services.ts';

/** Asks for the target (or takes the text given) and plans for it. */
export async function setTarget(services: Services, argument?: unknown, given?: string): Promise<void> {
  const session = await openSession(services, await chooseModel(services, argument, vscode.l10n.t('Set FLOP Target')));
  const text = given ?? (await askTarget(session));
  // Times are measured before a plan can keep one.
  if (isTime(text, session.state) && !session.state.latency)
    return measureLatency(services, session.source, { target: text });
  await session.target.set(text, given === undefined ? costUnit() : 'MACs');
}

async function askTarget(session: ModelSession): Promise<string> {
  const { range, settings, latency } = session.state;
  const dense = session.info?.macs ?? 0;
  const costs = range
    ? vscode.l10n.t(
        '{2} of one image, from {0} to {1}: 2.05G, 50%, -30%',
        formatMacs(range.min),
        formatMacs(range.max),
        costUnit(),
      )
    : vscode.l10n.t('{1} of one image, of {0}: 2.05G, 50%, -30%', formatMacs(dense), costUnit());
  const { target } = settings;
  const shares =
    target.kind === 'ms' && latency
      ? vscode.l10n.t('a share is of the {0} that it takes now', formatMilliseconds(latency.dense))
      : '';
  return askText({
    title: vscode.l10n.t('Set FLOP Target'),
    prompt: [costs, timeHint(session), shares].filter(Boolean).join('; '),
    value:
      target.kind === 'macs' ? readableTarget(session, target.text) : target.kind === 'ms' ? target.text : undefined,
    validateInput: (value) => whyNot(session, value),
  });
}

/** `20462000` as the slider leaves it → `20.5M`, in the unit that is shown. */
const readableTarget = (session: ModelSession, text: string): string =>
  /^\d+$/.test(text) || (costUnit() !== 'MACs' && !text.includes('%'))
    ? formatMacs(session.target.parse(text)).replace(' ', '')
    : text;

function whyNot(session: ModelSession, text: string): string | undefined {
  try {
    if (isTime(text, session.state)) {
      if (session.state.latency) needTime(text, session.state);
      return undefined;
    }
    const macs = session.target.parse(text, costUnit());
    const { range } = session.state;
    if (range && macs < range.min)
      return vscode.l10n.t('It cannot be lower than {0}: {1}.', formatMacs(range.min), range.reason);
    return range && macs > range.max ? vscode.l10n.t('The dense model has {0}.', formatMacs(range.max)) : undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Checks a trade-off that comes from disk: a repository can bring a run's folder along. */
import * as v from 'valibot';
import { TRADE_OFF_MODES, type TradeOff } from './trade-off.ts';

const line = v.pipe(v.string(), v.maxLength(10_000));
const share = v.pipe(v.number(), v.minValue(0), v.maxValue(1));
const amount = v.pipe(v.number(), v.finite(), v.minValue(0));

const schema: v.GenericSchema<unknown, TradeOff> = v.object({
  points: v.pipe(
    v.array(
      v.object({
        mode: v.picklist(TRADE_OFF_MODES),
        target: line,
        macs: amount,
        params: amount,
        top1: v.exactOptional(share),
        images: v.exactOptional(amount),
        agreement: v.exactOptional(share),
        latency: amount,
        // Where explorations write their plans, so that no other file is read.
        plan: v.exactOptional(v.pipe(line, v.regex(/^plans[\\/][\w.-]+\.json$/))),
      }),
    ),
    v.maxLength(1000),
  ),
  backend: line,
});

/** Undefined for what is no trade-off. */
export function parseTradeOff(text: string): TradeOff | undefined {
  try {
    return v.parse(schema, JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** Costs in the unit that the settings say, which the host puts on the page; a page is made anew when it changes. */
import { type CostUnit, formatCost } from '../../src/common/cost-unit.ts';

export const COST_UNIT: CostUnit = globalThis.document?.body?.dataset['costUnit'] === 'FLOPs' ? 'FLOPs' : 'MACs';

/** MACs as they are shown. */
export const formatMacs = (macs: number): string => formatCost(macs, COST_UNIT);

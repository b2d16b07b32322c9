/** Costs in the unit that the settings say. */
import { type CostUnit, formatCost } from '../common/cost-unit.ts';
import { setting } from './settings.ts';

export const costUnit = (): CostUnit => setting('espalier.costs');

/** MACs as they are shown. */
export const formatMacs = (macs: number): string => formatCost(macs, costUnit());

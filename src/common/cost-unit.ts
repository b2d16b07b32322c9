/**
 * How costs are shown and typed: MACs, or FLOPs, two for each MAC (a product and a sum). Everything is computed, planned and kept in MACs.
 */
import { formatCount } from './format.ts';

const OPERATIONS = { MACs: 1, FLOPs: 2 } as const;
export type CostUnit = keyof typeof OPERATIONS;

export const inUnit = (macs: number, unit: CostUnit): number => macs * OPERATIONS[unit];
export const fromUnit = (amount: number, unit: CostUnit): number => amount / OPERATIONS[unit];

/** `2.05 G` MACs are `4.10 G` FLOPs. */
export const formatCost = (macs: number, unit: CostUnit): string => formatCount(inUnit(macs, unit));

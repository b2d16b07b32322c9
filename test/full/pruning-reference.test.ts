import { testCases } from '../engine/pruning/reference.ts';

testCases('slow');

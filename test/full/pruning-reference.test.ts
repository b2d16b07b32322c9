import { testCases } from '../pruning/reference.ts';

testCases('slow');

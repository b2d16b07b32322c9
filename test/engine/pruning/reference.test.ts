import { testCases } from './reference.ts';

testCases('quick');

/** One or more cases per repair of tfjs: what goes wrong without it. For the tests. */
import type { Case } from './case.ts';
import { gradientCases } from './gradient-cases.ts';
import { sumCases } from './sum-cases.ts';
import { valueCases } from './value-cases.ts';

export const cases: readonly Case[] = [...gradientCases, ...sumCases, ...valueCases];

/** Reads and validates a suite; everything a person can mistype is an error that names the place. */
import { dirname, resolve } from 'node:path';
import { SpectraError } from '@spectra/tensor';
import { nearestKey, readTextFile } from '@spectra/trainer';
import { parse } from 'yaml';
import { z } from 'zod';
import { checkTaskNames } from '../tasks/registry.ts';
import { type Suite, type SuiteAxis, seedsOf, suiteSchema } from './schema.ts';

export interface LoadedSuite {
  readonly path: string;
  readonly suite: Suite;
  /** The base configuration as it stands in its file. */
  readonly base: Readonly<Record<string, unknown>>;
}

/** `FILE_MISSING` or `CONFIG_INVALID`; the runs' own configurations are checked when the suite is expanded. */
export function loadSuite(path: string): LoadedSuite {
  const value = readYaml(path);
  const result = suiteSchema.safeParse(value);
  if (!result.success) throw invalid(path, result.error.issues.flatMap(describe));
  const suite = result.data;
  const problems = references(suite);
  if (problems.length > 0) throw invalid(path, problems);
  const basePath = resolve(dirname(path), suite.base);
  const base = readYaml(basePath);
  if (typeof base !== 'object' || base === null || Array.isArray(base)) {
    throw invalid(basePath, ['it is no mapping.']);
  }
  return { path, suite, base: base as Record<string, unknown> };
}

function readYaml(path: string): unknown {
  const text = readTextFile(path, 'file');
  try {
    return parse(text);
  } catch (cause) {
    throw invalid(path, [`not valid YAML: ${(cause as Error).message.split('\n')[0]}`]);
  }
}

/** Names that no arm has, and axes that are neither one thing nor the other. */
function references(suite: Suite): string[] {
  const arms = Object.keys(suite.arms);
  const unknown = (where: string, arm: string): string[] => {
    if (arms.includes(arm)) return [];
    const near = nearestKey(arm, arms);
    return [`${where}: there is no arm ${arm}${near === undefined ? '' : ` (did you mean ${near}?)`}`];
  };
  return [
    ...Object.entries(suite.arms).flatMap(([key, { match }]) =>
      match === undefined
        ? []
        : match.arm === key
          ? [`arms.${key}.match: an arm cannot match itself`]
          : unknown(`arms.${key}.match`, match.arm),
    ),
    ...Object.entries(suite.tables).flatMap(([id, table]) => [
      ...table.arms.flatMap(arm => unknown(`tables.${id}.arms`, arm)),
      ...table.arms
        .filter(arm => suite.arms[arm]?.seeds?.some(seed => seedsOf(suite, table).includes(seed)) === false)
        .map(arm => `tables.${id}.arms: ${arm} has none of the table's seeds`),
      ...(table.reference === undefined || table.arms.includes(table.reference)
        ? []
        : [`tables.${id}.reference: ${table.reference} is not among its arms`]),
      ...table.grids.flat().flatMap(axis => axisProblem(`tables.${id}.grids`, axis)),
    ]),
    ...lengthProblems(suite),
    ...taskProblems(suite),
    ...('train.max_seconds' in suite.set
      ? ['set: train.max_seconds would make results depend on the clock']
      : []),
  ];
}

function lengthProblems({ tables }: Suite): string[] {
  const lengths = tables.E?.lengths ?? [];
  const longest = Math.max(...lengths);
  return lengths
    .filter(length => longest % length !== 0)
    .map(length => `tables.E.lengths: ${length} does not divide the longest, ${longest}`);
}

function taskProblems({ tasks }: Suite): string[] {
  try {
    checkTaskNames(tasks);
    return [];
  } catch (error) {
    return [`tasks: ${(error as Error).message}`];
  }
}

function axisProblem(where: string, { name, key, values, options }: SuiteAxis): string[] {
  const valued = key !== undefined && values !== undefined && options === undefined;
  const optional = options !== undefined && key === undefined && values === undefined;
  return valued || optional ? [] : [`${where}: axis ${name} needs key and values, or options`];
}

function describe(issue: z.core.$ZodIssue): string[] {
  if (issue.code !== 'unrecognized_keys') return [`${issue.path.join('.') || 'the file'}: ${issue.message}`];
  const known = Object.keys(z.toJSONSchema(suiteSchema, { io: 'input' }).properties ?? {});
  return issue.keys.map(key => {
    const near = issue.path.length === 0 ? nearestKey(key, known) : undefined;
    return `unknown key ${[...issue.path, key].join('.')}${near === undefined ? '' : ` (did you mean ${near}?)`}`;
  });
}

function invalid(where: string, problems: readonly string[]): SpectraError {
  return new SpectraError('CONFIG_INVALID', {
    message: problems.join('; '),
    where,
    fix: 'See docs/eval.md for every key of a suite.',
  });
}

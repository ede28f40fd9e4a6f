/** From a YAML or JSON file and dotted overrides to a validated, fully resolved configuration. */
import { SpectraError } from '@spectra/tensor';
import { parse, stringify } from 'yaml';
import { z } from 'zod';
import { readTextFile } from '../run/text-file.ts';
import { isSection } from './is-section.ts';
import { nearestKey } from './nearest-key.ts';
import { type TrainerConfig, trainerConfigSchema } from './schema.ts';

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** Reads, overrides (`a.b=value`, the value as YAML) and validates. */
export function loadConfig(path: string, overrides: readonly string[] = []): TrainerConfig {
  return parseConfig(readTextFile(path, 'configuration'), overrides, path);
}

export function parseConfig(
  text: string,
  overrides: readonly string[] = [],
  where = 'config',
): TrainerConfig {
  let value: Json;
  try {
    value = (parse(text) ?? {}) as Json;
  } catch (cause) {
    throw new SpectraError('CONFIG_INVALID', {
      message: `not valid YAML: ${firstLine(cause)}.`,
      where,
      cause,
    });
  }
  for (const override of overrides) applyOverride(value, override);
  return validate(value, where);
}

/** The configuration as YAML with every default written out. */
export function formatConfig(config: TrainerConfig): string {
  return stringify(config);
}

function applyOverride(root: Json, override: string): void {
  const [, path, value] = /^([^=]+)=(.*)$/s.exec(override) ?? [];
  const keys = path?.split('.') ?? [];
  if (value === undefined || keys.some(key => key === '' || key === '__proto__')) {
    throw new SpectraError('USAGE', {
      message: `--set ${override} is not of the form key.path=value.`,
      where: '--set',
    });
  }
  let parsed: Json;
  try {
    parsed = parse(value) as Json;
  } catch (cause) {
    throw new SpectraError('USAGE', {
      message: `the value is not valid YAML: ${firstLine(cause)}.`,
      where: `--set ${override}`,
      cause,
    });
  }
  let node = root;
  keys.forEach((key, i) => {
    if (node === null || typeof node !== 'object') {
      throw new SpectraError('CONFIG_INVALID', {
        message: `${keys.slice(0, i).join('.') || 'the file'} is no section.`,
        where: `--set ${override}`,
      });
    }
    const record = node as { [key: string]: Json };
    if (i === keys.length - 1) record[key] = parsed;
    else node = record[key] ??= {};
  });
}

/** Of a YAML error, whose message goes on with an excerpt. */
function firstLine(cause: unknown): string {
  return (cause as Error).message.split('\n')[0]!.replace(/:$/, '');
}

function validate(value: Json, where: string): TrainerConfig {
  const result = trainerConfigSchema.safeParse(withModelTokenizer(value));
  if (result.success) return result.data;
  const lines = result.error.issues.flatMap(issue => describeIssue(issue));
  throw new SpectraError('CONFIG_INVALID', {
    message: lines.join('; '),
    where,
    fix: 'See `spectra-trainer config schema` for every key.',
  });
}

/** A model that exists brings its tokenizer, where the configuration names none. */
function withModelTokenizer(value: Json): Json {
  if (!isSection(value) || !isSection(value.model) || value.model.from === undefined) return value;
  const data = value.data ?? {};
  if (!isSection(data) || data.tokenizer !== undefined) return value;
  return { ...value, data: { ...data, tokenizer: { kind: 'model' } } };
}

function describeIssue(issue: z.core.$ZodIssue): string[] {
  const path = issue.path.join('.');
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    // of the alternatives the one that the key `from` asks for, or else the one without it
    const meant = issue.errors.find(
      errors => !errors.some(error => error.code === 'unrecognized_keys' && error.keys.includes('from')),
    );
    return (meant ?? issue.errors[0]!).flatMap(error =>
      describeIssue({ ...error, path: [...issue.path, ...error.path] }),
    );
  }
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map(key => {
      const near = nearestKey(key, keysAt(issue.path));
      return `unknown key ${[...issue.path, key].join('.')}${near === undefined ? '' : ` (did you mean ${near}?)`}`;
    });
  }
  if (issue.code === 'invalid_union' && 'options' in issue) {
    const options = (issue.options as readonly unknown[]).filter(option => option !== undefined);
    return [`${path}: must be one of ${options.join(', ')}`];
  }
  return [`${path || 'the file'}: ${issue.message}`];
}

/** The keys the schema knows at a path; unions offer those of all alternatives. */
function keysAt(path: readonly PropertyKey[]): string[] {
  let nodes = [z.toJSONSchema(trainerConfigSchema, { io: 'input' }) as JsonSchema];
  for (const key of path) {
    nodes = nodes
      .flatMap(alternatives)
      .flatMap(node => (typeof key === 'number' ? [node.items] : [node.properties?.[String(key)]]))
      .filter(node => node !== undefined);
  }
  return nodes.flatMap(alternatives).flatMap(node => Object.keys(node.properties ?? {}));
}

interface JsonSchema {
  readonly properties?: Record<string, JsonSchema>;
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly allOf?: readonly JsonSchema[];
}

function alternatives(node: JsonSchema): JsonSchema[] {
  return [
    node,
    ...[...(node.anyOf ?? []), ...(node.oneOf ?? []), ...(node.allOf ?? [])].flatMap(alternatives),
  ];
}

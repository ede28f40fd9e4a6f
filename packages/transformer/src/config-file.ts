/** Typed reading of a `config.json`, with errors that name file and key. Null counts as absent. */
import { SpectraError } from '@spectra/tensor';

export type Json = Readonly<Record<string, unknown>>;

export class ConfigFile {
  /** The file, or the part of it, for messages. */
  readonly where: string;
  /** All of it. */
  readonly content: Json;
  private readonly seen = new Set<string>();

  constructor(json: unknown, where = 'config.json') {
    this.where = where;
    if (!isObject(json)) throw this.invalid('it is no object.');
    this.content = json;
  }

  has(key: string): boolean {
    return this.value(key) !== undefined;
  }

  /** Whether the key is there, be it null. */
  states(key: string): boolean {
    return key in this.content;
  }

  /** A whole number ≥ `least`; the first of `keys` that is there. */
  integer(keys: string | readonly string[], fallback?: number, least = 1): number {
    const found = this.optionalInteger(keys, least) ?? fallback;
    if (found === undefined) throw this.invalid(`${[keys].flat().join(' or ')} is missing.`);
    return found;
  }

  optionalInteger(keys: string | readonly string[], least = 1): number | undefined {
    const key = [keys].flat().find(name => this.has(name));
    if (key === undefined) return undefined;
    const value = this.value(key);
    if (Number.isSafeInteger(value) && (value as number) >= least) return value as number;
    throw this.invalid(`${key} must be an integer ≥ ${least}, it is ${JSON.stringify(value)}.`);
  }

  /** A positive number. */
  positive(key: string, fallback?: number): number {
    const found = this.optionalNumber(key) ?? fallback;
    if (found === undefined) throw this.invalid(`${key} is missing.`);
    if (found > 0) return found;
    throw this.invalid(`${key} must be positive, it is ${found}.`);
  }

  optionalNumber(key: string): number | undefined {
    const value = this.value(key);
    if (value === undefined) return undefined;
    if (typeof value === 'number' && Number.isFinite(value)) return value;
    throw this.invalid(`${key} must be a number, it is ${JSON.stringify(value)}.`);
  }

  flag(key: string, fallback: boolean): boolean {
    const value = this.value(key) ?? fallback;
    if (typeof value === 'boolean') return value;
    throw this.invalid(`${key} must be true or false, it is ${JSON.stringify(value)}.`);
  }

  list(key: string): readonly unknown[] | undefined {
    const value = this.value(key);
    if (value === undefined || Array.isArray(value)) return value;
    throw this.invalid(`${key} must be a list, it is ${JSON.stringify(value)}.`);
  }

  /** A nested object. */
  part(key: string): ConfigFile | undefined {
    const value = this.value(key);
    return value === undefined ? undefined : new ConfigFile(value, `${this.where}, ${key}`);
  }

  /** Throws unless the key is absent or one of the values that this package computes. */
  expect(key: string, values: readonly unknown[]): void {
    const value = this.value(key);
    if (value === undefined || values.includes(value)) return;
    const known = values.map(one => JSON.stringify(one)).join(', ');
    throw this.invalid(`${key} ${JSON.stringify(value)} is not supported (${known}).`);
  }

  /** The value as it is. */
  value(key: string): unknown {
    this.seen.add(key);
    return this.content[key] ?? undefined;
  }

  /** Keys that nobody has asked for. */
  unread(): string[] {
    return Object.keys(this.content).filter(key => !this.seen.has(key));
  }

  invalid(message: string): SpectraError {
    return new SpectraError('CONFIG_INVALID', { message, where: this.where });
  }
}

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

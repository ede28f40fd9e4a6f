import { z } from 'zod';
import { formatConfig, loadConfig } from '../config/load.ts';
import { trainerConfigSchema } from '../config/schema.ts';

interface OverrideOptions {
  readonly set: readonly string[];
}

export function printConfig(file: string, options: OverrideOptions): void {
  process.stdout.write(formatConfig(loadConfig(file, options.set)));
}

export function validateConfig(file: string, options: OverrideOptions): void {
  loadConfig(file, options.set);
  console.log(`${file} is valid.`);
}

export function printSchema(): void {
  console.log(JSON.stringify(z.toJSONSchema(trainerConfigSchema, { io: 'input' }), null, 2));
}

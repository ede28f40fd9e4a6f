/** A router as the command line names it. */
import { SpectraError } from '@spectra/tensor';
import { type RouterConfig, routerConfigSchema } from '@spectra/transformer';
import { z } from 'zod';

export interface RouterFlags {
  readonly router: string;
  /** JSON */
  readonly routerOptions?: string;
}

/** `USAGE` for an unknown name or option. */
export function routerOf({ router, routerOptions = '{}' }: RouterFlags): RouterConfig {
  const parsed = routerConfigSchema.safeParse({ ...optionsOf(routerOptions), kind: router });
  if (parsed.success) return parsed.data;
  throw new SpectraError('USAGE', { message: z.prettifyError(parsed.error), where: '--router' });
}

function optionsOf(json: string): Readonly<Record<string, unknown>> {
  const fix = `Write e.g. --router-options '{"router_dim": 16}'.`;
  let options: unknown;
  try {
    options = JSON.parse(json);
  } catch (cause) {
    throw new SpectraError('USAGE', { message: '--router-options is not JSON.', fix, cause });
  }
  const parsed = z.record(z.string(), z.unknown()).safeParse(options);
  if (!parsed.success)
    throw new SpectraError('USAGE', { message: '--router-options is no JSON object.', fix });
  if ('kind' in parsed.data) {
    throw new SpectraError('USAGE', {
      message: '--router-options has a kind, which is what --router gives.',
      fix: 'Leave it out of --router-options.',
    });
  }
  return parsed.data;
}

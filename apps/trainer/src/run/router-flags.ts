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
export function routerOf({ router, routerOptions }: RouterFlags): RouterConfig {
  let options: unknown = {};
  try {
    options = JSON.parse(routerOptions ?? '{}');
  } catch (cause) {
    throw new SpectraError('USAGE', {
      message: '--router-options is not JSON.',
      fix: `Write e.g. --router-options '{"router_dim": 16}'.`,
      cause,
    });
  }
  const parsed = routerConfigSchema.safeParse({ ...(options as object), kind: router });
  if (parsed.success) return parsed.data;
  throw new SpectraError('USAGE', { message: z.prettifyError(parsed.error), where: '--router' });
}

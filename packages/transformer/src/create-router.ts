import type { Router } from '@spectra/routing';
import { type Rng, SpectraError } from '@spectra/tensor';
import type { ModelConfig } from './config.ts';
import type { MoeConfig } from './moe-config.ts';

export class RouterFactory {
  constructor(_config: ModelConfig, _moe: MoeConfig, _rng: Rng) {}
  router(_layer: number): Router {
    throw new SpectraError('VALUE', { message: 'later' });
  }
}

/** How often each domain is drawn. */
import { checkValue, SpectraError } from '@spectra/tensor';

export interface DomainSize {
  readonly domain: string;
  readonly bytes: number;
  /** Given for every domain or for none. */
  readonly weight?: number | undefined;
}

/**
 * Probabilities that sum to 1: proportional to the weights if there are any, else to bytes^(1/temperature), so that 1
 * follows the sizes and a high temperature evens them out.
 */
export function mixingProbabilities(domains: readonly DomainSize[], temperature = 1): number[] {
  checkValue(temperature > 0, `the temperature is ${temperature}, must be positive.`, 'mixingProbabilities');
  const weighted = domains.filter(({ weight }) => weight !== undefined).length;
  if (weighted !== 0 && weighted !== domains.length) {
    const without = domains.filter(({ weight }) => weight === undefined).map(({ domain }) => domain);
    throw new SpectraError('CONFIG_INVALID', {
      message: `${weighted} of ${domains.length} domains have a weight.`,
      where: 'data.corpora',
      fix: `Give a weight for ${without.join(', ')} too, or for none.`,
    });
  }
  const raw = domains.map(({ weight, bytes }) => weight ?? bytes ** (1 / temperature));
  const total = raw.reduce((sum, value) => sum + value, 0);
  checkValue(total > 0 && total < Infinity, 'every domain has weight or size 0.', 'mixingProbabilities');
  return raw.map(value => value / total);
}

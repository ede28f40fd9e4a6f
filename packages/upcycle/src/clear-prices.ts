/** What routers add to their scores for the sake of balance, put back to where it begins. */
import type { HostArray, Router } from '@spectra/routing';

/** SPECTRA's prices and potentials, the correction bias of sigmoid routers, the prices of quantile balancing. */
const PRICES = ['price', 'price_average', 'potentials', 'potentials_average', 'correction_bias', 'beta'];

/** Whether the router has such. */
export function hasPrices(router: Router): boolean {
  return Object.keys(router.state()).some(name => PRICES.includes(name));
}

/** The router then chooses by its scores alone, as before any step; what it knows of its experts stays. */
export function clearPrices(router: Router): void {
  const cleared = ([name, { shape, data }]: [string, HostArray]): [string, HostArray] => {
    if (PRICES.includes(name)) return [name, { shape, data: new Float32Array(data.length) }];
    // SPECTRA's numbers of steps, of price steps and of transports
    return name === 'counts'
      ? [name, { shape, data: Float32Array.of(data[0]!, 0, 0) }]
      : [name, { shape, data }];
  };
  router.loadState(Object.fromEntries(Object.entries(router.state()).map(cleared)));
}

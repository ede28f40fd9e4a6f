/** The plain JavaScript backend: everywhere, and slow. */

import { backendInstance, startRegistered } from './engine-state.ts';
import type { BackendProvider } from './report.ts';

export const cpu: BackendProvider = {
  async find() {
    return { name: 'cpu', available: true, gpu: false, device: 'JavaScript', features: [] };
  },
  async start() {
    await import('@tensorflow/tfjs-backend-cpu');
    await startRegistered('cpu', 1);
    // it advertises tfjs-node on its first use, which is no news to whoever chose it
    (backendInstance('cpu') as unknown as { firstUse: boolean }).firstUse = false;
  },
};

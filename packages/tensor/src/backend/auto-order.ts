/** What `setBackend('auto')` prefers. */
import type { BackendName } from '../define-op.ts';
import type { BackendFinding } from './report.ts';

/** The order of `auto`: the GPU backends first, where they have a real GPU. */
export const AUTO_ORDER = ['tensorflow', 'webgpu', 'wasm', 'cpu'] as const satisfies readonly BackendName[];

/** Whether `auto` takes this backend; our wasm kernels beat a GPU backend that runs on the CPU. */
export function suitsAuto(finding: BackendFinding): boolean {
  const needsGpu = finding.name === 'tensorflow' || finding.name === 'webgpu';
  return finding.available && (finding.gpu || !needsGpu);
}

import type { BackendName } from '../define-op.ts';
export function installRepairs(_name: BackendName): readonly string[] {
  return [];
}

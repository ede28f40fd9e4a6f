/** What this package must know of a model family to read, run and write its checkpoints. */
import type { Architecture } from './architecture.ts';
import type { ConfigFile } from './config-file.ts';
import type { TensorRule } from './layout/piece.ts';

export interface Family {
  /** As in `config.json`. */
  readonly modelType: string;
  /** What the file's keys say, with the family's defaults. Errors: `CONFIG_INVALID`. */
  readonly architecture: (config: ConfigFile) => Architecture;
  /**
   * Where files hold our tensors, the published form first: of the rules that speak of a tensor, the first whose
   * tensors are all in the file is taken, or else our own name.
   */
  readonly tensors: readonly TensorRule[];
  /** Whether a tensor of the file belongs to the checkpoint but not to what is run. */
  readonly carried?: (name: string, architecture: Architecture) => boolean;
}

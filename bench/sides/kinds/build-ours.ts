/** Every kind of case on this project's packages. */
import type { Build } from '../serve.ts';
import { COMPOSED, fusedOpWork } from './composed.ts';
import { FUSED } from './fused.ts';
import { gruWork } from './gru.ts';
import { decodeWork, trainStepWork } from './language-model.ts';
import { gemmWork, opWork } from './ops.ts';
import { moeLayerWork, routerWork } from './router.ts';

export const buildOurs: Build = async (kind, params, inputs) => {
  switch (kind) {
    case 'op':
      return opWork(params, inputs);
    case 'gemm':
      return gemmWork(params, inputs);
    case 'gru':
      return gruWork(inputs);
    case 'router':
      return routerWork(params, inputs);
    case 'moe-layer':
      return moeLayerWork(params, inputs);
    case 'train-step':
      return trainStepWork(params, inputs);
    case 'decode':
      return decodeWork(params, inputs);
    default:
      if (!(kind in COMPOSED)) return `no case is of the kind ${kind}`;
      return fusedOpWork(FUSED[kind]!, params, inputs);
  }
};

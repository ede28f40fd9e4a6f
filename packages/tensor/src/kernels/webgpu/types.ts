/** The types of tfjs's WebGPU backend that kernels are written against, so that only this package depends on it. */
export type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
export type { WebGPUProgram } from '@tensorflow/tfjs-backend-webgpu/dist/webgpu_program.js';

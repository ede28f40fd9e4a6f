import { setBackend } from '@spectra/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { DecoderModel } from '@spectra/transformer';
await setBackend('webgpu');
const backend = tf.backend() as unknown as { device: GPUDevice; runWebGPUProgram: (...a: unknown[]) => unknown };
const create = backend.device.createShaderModule.bind(backend.device);
backend.device.createShaderModule = (d: GPUShaderModuleDescriptor) => {
  const m = create(d);
  m.getCompilationInfo().then(i => { for (const x of i.messages) if (x.type === 'error') { console.log(x.lineNum, x.message); console.log(d.code.split('\n').slice(Math.max(0,x.lineNum - 12), x.lineNum + 3).join('\n')); } });
  return m;
};
const b2 = tf.backend() as any; const run = b2.runWebGPUProgram.bind(b2); b2.runWebGPUProgram = (p: any, ins: any, dt: any, ...r: any[]) => { if (/Transpose/.test(p.constructor.name) && b2.tensorMap.get(ins[0].dataId).dtype !== 'float32') console.log('TRANSPOSE', dt, b2.tensorMap.get(ins[0].dataId).dtype, ins[0].dtype, ins[0].shape, new Error().stack!.split('\n').filter((l: string) => l.includes('packages/')).slice(0, 6).join('\n')); return run(p, ins, dt, ...r); };
const model = new DecoderModel({ vocab_size: 29, hidden_size: 16, num_hidden_layers: 1, moe: { experts: 4, k: 2, intermediate_size: 12, router: { kind: 'spectra', router_dim: 4, state_size: 6 } } });
const out = model.forward({ inputIds: tf.tensor2d([[1, 2, 3, 4]], undefined, 'int32') });
try { console.log((await out.logits.data()).slice(0, 4)); } catch (e) { console.log(String(e).slice(0, 600)); }

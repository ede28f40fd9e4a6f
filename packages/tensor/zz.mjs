import { setBackend, Rng, valueAndGrads, Parameter } from '@spectra/tensor'; import * as tf from '@tensorflow/tfjs-core';
import {removeRepair,installRepair} from './src/repairs/patch.ts'; import {REPAIRS} from './src/repairs/install.ts';
await setBackend('wasm'); const r=new Rng(1); const L=6; const ps=Array.from({length:L},(_,i)=>new Parameter('w'+i, r.normalTensor([256,256],0,0.06)));
const x=r.normalTensor([2048,256]);
const step=()=>{const {value,grads}=valueAndGrads(()=>{let h=x; for(const p of ps) h=tf.add(h,tf.relu(tf.matMul(h,p.variable))); return tf.mean(tf.square(h));},ps); tf.dispose([value,...grads.values()]);};
const time=()=>{step();const t=[];for(let i=0;i<9;i++){const a=performance.now();step();t.push(performance.now()-a);} return t.sort((a,b)=>a-b)[4].toFixed(1)};
for (let k=0;k<2;k++){ console.log('with', time(), 'heap MB', tf.backend().wasm.HEAPU8.length/2**20); removeRepair('shared-identity',REPAIRS['shared-identity'],'wasm'); console.log('without', time(), tf.backend().wasm.HEAPU8.length/2**20); installRepair('shared-identity',REPAIRS['shared-identity'],'wasm'); }

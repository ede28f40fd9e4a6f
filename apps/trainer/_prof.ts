import * as tf from '@tensorflow/tfjs-core';
import { AdamW, setBackend, valueAndGrads, wasmKernelReport, type Parameter } from '@spectra/tensor';
import { DecoderModel, languageModelLoss } from '@spectra/transformer';
await setBackend('wasm');
console.log(JSON.stringify(wasmKernelReport()));
const kind=(process.argv[2]??'spectra') as 'spectra';
const model=new DecoderModel({vocab_size:1024,hidden_size:128,num_hidden_layers:4,num_attention_heads:4,num_key_value_heads:4,max_position_embeddings:256,moe:{experts:8,k:2,intermediate_size:256,router:{kind}}} as any,{seed:1});
const params=model.parameters() as Parameter[]; console.log('params',params.reduce((s,p)=>s+tf.util.sizeFromShape([...p.shape]),0));
const opt=new AdamW(params);
const ids=tf.tensor2d(Int32Array.from({length:2048},(_,i)=>(i*7919)%1021),[8,256],'int32');
const targets=tf.tensor2d(Int32Array.from({length:2048},(_,i)=>((i+1)*7919)%1021),[8,256],'int32');
// instrument
const acc=new Map<string,{n:number,ms:number}>(); let nested=0, child=0; let on=false;
for(const cfg of tf.getKernelsForBackend('wasm')){ const f=cfg.kernelFunc; (cfg as any).kernelFunc=(a:any)=>{ if(!on) return f(a); const t=cpu(); const saved=child; child=0; const r=f(a); const d=cpu()-t; const e=acc.get(cfg.kernelName)??{n:0,ms:0}; e.n++; e.ms+=d-child; acc.set(cfg.kernelName,e); child=saved+d; return r;}; }
function step(){ const t0=performance.now(); const {grads,value}=valueAndGrads(()=>languageModelLoss(model,{inputIds:ids,targets} as any).loss,params); const t1=performance.now(); opt.step(grads,1e-3); tf.dispose([value,[...grads.values()]]); return [t1-t0,performance.now()-t1];}
step(); const N=4; on=true; const c=process.cpuUsage(); const w=performance.now(); let b=0,o=0; for(let i=0;i<N;i++){const [x,y]=step(); b+=x!;o+=y!;} const d=process.cpuUsage(c); on=false;
console.log('wall/step',((performance.now()-w)/N).toFixed(0),'cpu/step',((d.user+d.system)/1000/N).toFixed(0),'fwd+bwd',(b/N).toFixed(0),'opt',(o/N).toFixed(0),'tok/s(wall)',(2048*N*1000/(performance.now()-w)).toFixed(0),'tok/s(cpu)',(2048*N*1e6/(d.user+d.system)).toFixed(0));
let tot=0,n=0; for(const [k,v] of [...acc].sort((a,b)=>b[1].ms-a[1].ms)){tot+=v.ms;n+=v.n;if(v.ms/N>1)console.log(k.padEnd(32),(v.n/N).toFixed(0).padStart(6),(v.ms/N).toFixed(2).padStart(9),'ms/step');}
console.log('kernels total',(tot/N).toFixed(0),'calls',n/N,'tensors',tf.memory().numTensors);
function cpu(){const u=(process as any).threadCpuUsage();return (u.user+u.system)/1000;}

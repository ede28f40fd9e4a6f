import * as tf from '@tensorflow/tfjs-core';
import {setBackend} from '@spectra/tensor';
await setBackend('wasm');
const f32=new Float32Array(1),u32=new Int32Array(f32.buffer);
const ulp=(a:number,b:number)=>{ // error of a in ulps of exact b
 if(Object.is(a,b)||(Number.isNaN(a)&&Number.isNaN(b)))return 0; const fb=Math.fround(b); if(a===fb)return Math.abs(a-b)/(2**(Math.max(-126,Math.floor(Math.log2(Math.abs(b)||1e-45)))-23)); if(!Number.isFinite(fb)||!Number.isFinite(a))return Infinity; return Math.abs(a-b)/(2**(Math.max(-126,Math.floor(Math.log2(Math.abs(b)||1e-45)))-23));};
const fn:Record<string,[(x:any)=>tf.Tensor,(x:number)=>number,number,number]>={exp:[tf.exp,Math.exp,-110,95],log:[tf.log,Math.log,0,10],sigmoid:[tf.sigmoid,x=>1/(1+Math.exp(-x)),-80,80],tanh:[tf.tanh,Math.tanh,-12,12],softplus:[tf.softplus,x=>Math.max(x,0)+Math.log1p(Math.exp(-Math.abs(x))),-60,60],rsqrt:[tf.rsqrt,x=>1/Math.sqrt(x),1e-3,100]};
for(const [n,[f,g,lo,hi]] of Object.entries(fn)){ const N=400000; const xs=Float32Array.from({length:N},(_,i)=>{const u=lo+(hi-lo)*i/N; return i%3===0?u*2**-(i%30):u;}); const x=tf.tensor1d(xs); const y=f(x).dataSync(); let w=0,wi=0; for(let i=0;i<N;i++){const e=ulp(y[i]!,g(xs[i]!)); if(e>w){w=e;wi=i;}} console.log(n,'max ulp',w,'at',xs[wi],y[wi],g(xs[wi]!)); 
 const sp=[0,-0,1e-40,1e-38,NaN,Infinity,-Infinity,88.72,88.73,-87.4,-103,-104.5,-200,200,3e38,-3e38,-1]; console.log(sp.join(' ')); console.log(Array.from(f(tf.tensor1d(sp)).dataSync()).join(' '));}
const T=(n:string,f:()=>tf.Tensor)=>{for(let i=0;i<3;i++)f().dispose();let best=1e9;for(let i=0;i<9;i++){const t=performance.now();f().dispose();best=Math.min(best,performance.now()-t);}console.log(n,best.toFixed(3));};
const x=tf.randomUniform([2048,512],0.1,2); for(const n of ['exp','log','sigmoid','tanh','softplus','sqrt','rsqrt','reciprocal','softmax'])T(n,()=>(tf as any)[n](x));

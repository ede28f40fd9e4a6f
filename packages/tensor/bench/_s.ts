import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-wasm';
await tf.setBackend('wasm');
const T=(n:string,f:()=>tf.Tensor)=>{for(let i=0;i<3;i++)f().dispose();let best=1e9;for(let i=0;i<9;i++){const t=performance.now();f().dispose();best=Math.min(best,performance.now()-t);}console.log(n,best.toFixed(3));};
const x=tf.randomUniform([2048,512],0.1,2),y=tf.randomUniform([2048,512],.1,2),r=tf.randomUniform([512],.1,2),c=tf.randomUniform([2048,1],.1,2),s=tf.scalar(1.5);const b=tf.greater(x,1),i=tf.cast(x,'int32');
T('clone-copy (slice all)',()=>tf.slice(x,[0,0],[2048,512])); T('slice cols',()=>tf.slice(x,[0,0],[2048,256]));T('slice rows16',()=>tf.slice(x,[16,0],[16,512]));
T('add same',()=>tf.add(x,y));T('add row',()=>tf.add(x,r));T('add col',()=>tf.add(x,c));T('add scalar',()=>tf.add(x,s));
for(const [n,f] of Object.entries({mul:tf.mul,sub:tf.sub,div:tf.div,maximum:tf.maximum,minimum:tf.minimum,sqd:tf.squaredDifference,greater:tf.greater,greaterEqual:tf.greaterEqual,equal:tf.equal,pow:tf.pow} as any)) {T(n+' same',()=>(f as any)(x,y));T(n+' col',()=>(f as any)(x,c));T(n+' scalar',()=>(f as any)(x,s));}
for(const n of ['exp','log','sqrt','rsqrt','square','neg','abs','sigmoid','tanh','relu','reciprocal','softplus','elu','log1p','erf','zerosLike','onesLike','sign','floor','isNaN','sin','cos']) T(n,()=>(tf as any)[n](x));
T('softmax',()=>tf.softmax(x));T('logSoftmax',()=>tf.logSoftmax(x));T('argMax',()=>tf.argMax(x,1));T('argMax0',()=>tf.argMax(x,0));T('min1',()=>tf.min(x,1));T('prod',()=>tf.prod(x,1));T('any',()=>tf.any(b,1));
T('cast b->f',()=>tf.cast(b,'float32'));T('cast f->i',()=>tf.cast(x,'int32'));T('cast i->f',()=>tf.cast(i,'float32'));
T('concat0',()=>tf.concat([x,y],0));T('concat1',()=>tf.concat([x,y],1));T('stack',()=>tf.stack([x,y],0));T('stack1',()=>tf.stack([x,y],1));
T('pad',()=>tf.pad(x,[[1,1],[0,0]]));T('tile',()=>tf.tile(r.expandDims?r as any:r,[4096]));T('broadcastTo',()=>tf.broadcastTo(r,[2048,512]));T('where',()=>tf.where(b,x,y));T('clip',()=>tf.clipByValue(x,.5,1));T('addN',()=>tf.addN([x,y,x] as any));
const ids=tf.tensor1d(Int32Array.from({length:2048},(_,k)=>(k*37)%2048),'int32');T('gather',()=>tf.gather(x,ids));T('gather axis1',()=>tf.gather(x,tf.tidy(()=>tf.range(0,512,1,'int32')) as any,1));
T('oneHot',()=>tf.oneHot(ids,64));T('cumsum',()=>tf.cumsum(x,0));T('cumsum1',()=>tf.cumsum(x,1));T('topk',()=>{const {values,indices}=tf.topk(tf.slice(x,[0,0],[2048,8]) as any,2);indices.dispose();return values;});T('reverse',()=>tf.reverse(x,1));T('fill',()=>tf.fill([2048,512],2));T('zeros',()=>tf.zeros([2048,512]));T('randomNormal',()=>tf.randomNormal([2048,512]));T('unstack', ()=>{const u=tf.split(x,4,1);u.slice(1).forEach(z=>z.dispose());return u[0]!;});T('logicalAnd',()=>tf.logicalAnd(b,b));
T('batchNormish mean',()=>tf.mean(x,1));T('sum all',()=>tf.sum(x));T('int add',()=>tf.add(i,i));T('scatterND',()=>tf.scatterND(tf.reshape(ids,[2048,1]) as any,x,[2048,512]));

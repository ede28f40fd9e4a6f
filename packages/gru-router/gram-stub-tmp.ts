import { normalise, Parameter, type Rng } from '@spectra/tensor';
import * as tf from '@tensorflow/tfjs-core';
export function expertMean(X: tf.Tensor3D, mask?: tf.Tensor): tf.Tensor2D {
  return tf.tidy(() => { const [N,E,D]=X.shape; const flat=tf.reshape(X,[N,E*D]) as tf.Tensor2D;
    const m = mask===undefined? tf.ones([1,N]): tf.reshape(mask,[1,N]);
    return tf.reshape(tf.div(tf.matMul(m as tf.Tensor2D, flat), tf.maximum(tf.sum(m),1)),[E,D]); });
}
export function gramMatrix(mean: tf.Tensor2D): tf.Tensor2D { return tf.tidy(()=>{const d=normalise(mean); return tf.matMul(d,d,false,true);}); }
export function orthogonalityLoss(G: tf.Tensor2D) { return tf.tidy(()=>{ const E=G.shape[0]; const A=tf.sub(G,tf.eye(E)) as tf.Tensor2D; const frobenius=tf.sum(tf.square(A));
  let B: tf.Tensor2D=tf.tidy(()=>{let M=tf.matMul(A,A); for(let i=0;i<6;i++){ M=tf.div(M,tf.maximum(tf.max(tf.abs(M)),1e-30)); M=tf.matMul(M,M);} return M as tf.Tensor2D;});
  let v=tf.matMul(B,tf.add(tf.slice(A,[0,0],[-1,1]),1e-3)) as tf.Tensor2D; v=tf.div(v,tf.maximum(tf.norm(v),1e-30)); v=tf.tensor2d(v.dataSync(),[E,1]);
  const spectral=tf.sum(tf.square(tf.matMul(A,v))); return {frobenius,spectral,loss:tf.add(tf.mul(frobenius,.7),tf.mul(spectral,.3)) as tf.Scalar};});}
export function orthogonal(g: tf.Tensor){ return g; }
export class ExpressionProjector { private w: Parameter; private o: {experts:number;dim:number};
 constructor(o:{hidden:number;experts:number;dim:number;name:string;orthogonalise?:string;newtonSchulzSteps?:number}, rng: Rng){this.o=o;this.w=new Parameter(o.name,rng.normalTensor([o.experts*o.dim,o.hidden],0,1/Math.sqrt(o.hidden)),{role:'router'});}
 parameters(){return [this.w];}
 project(x: tf.Tensor2D){ return normalise(tf.reshape(tf.matMul(x,this.w.variable as unknown as tf.Tensor2D,false,true),[-1,this.o.experts,this.o.dim])) as tf.Tensor3D;}
}

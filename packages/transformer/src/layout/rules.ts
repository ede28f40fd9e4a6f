/** The ways in which published checkpoints lay out their tensors. */
import type { AttentionShape } from '../architecture.ts';
import type { Piece, TensorRule } from './piece.ts';

/** The whole tensor under another name. */
export function renamed(pattern: RegExp, name: string): TensorRule {
  return ({ name: own, shape }) =>
    pattern.test(own) ? [{ tensor: own.replace(pattern, name), shape }] : undefined;
}

export interface ExpertNames {
  /** After the layer's prefix, e.g. `mlp.experts`. */
  readonly block: string;
  readonly gate: string;
  readonly up: string;
  readonly down: string;
}

/** A tensor per expert and matrix: `{block}.{e}.{gate|up|down}.weight`. */
export function perExpert({ block, gate, up, down }: ExpertNames): TensorRule {
  return ({ name, shape }) => {
    const found = /^(.*\.)mlp\.experts\.(gate_up_proj|down_proj)$/.exec(name);
    if (found === null) return undefined;
    const [experts, rows, columns] = shape as [number, number, number];
    const parts = found[2] === 'down_proj' ? [down] : [gate, up];
    const part: [number, number] = [rows / parts.length, columns];
    return Array.from({ length: experts * parts.length }, (_, i) => {
      const [e, p] = [Math.floor(i / parts.length), i % parts.length];
      const tensor = `${found[1]}${block}.${e}.${parts[p]}.weight`;
      return { tensor, shape: part, offset: i * part[0] * part[1] };
    });
  };
}

/** The shared expert's matrices one by one, in `mlp.{block}`; its gate, where it has one, in `mlp.{gate}`. */
export function sharedExpert(block: string, gate = `${block}_gate`): TensorRule {
  return ({ name, shape }) => {
    const found = /^(.*\.mlp\.)shared_experts\.(gate_up_proj|down_proj|gate)\.weight$/.exec(name);
    if (found === null) return undefined;
    const [, prefix, part] = found;
    if (part === 'gate') return [{ tensor: `${prefix}${gate}.weight`, shape }];
    if (part === 'down_proj') return [{ tensor: `${prefix}${block}.down_proj.weight`, shape }];
    const half: [number, number] = [shape[0]! / 2, shape[1]!];
    return ['gate_proj', 'up_proj'].map((matrix, p) => ({
      tensor: `${prefix}${block}.${matrix}.weight`,
      shape: half,
      offset: p * half[0] * half[1],
    }));
  };
}

/** Rows of q, k and v one below the other in `self_attn.qkv_proj`, of gate and up in `mlp.gate_up_proj` (Phi-3). */
export const fusedRows: TensorRule = ({ name, shape }, { layers, dense }) => {
  const qkv = /^(model\.layers\.(\d+)\.self_attn\.)([qkv])_proj\.weight$/.exec(name);
  if (qkv !== null) {
    const { query, shared } = projectionRows(layers[Number(qkv[2])]!.attention);
    const from = { q: 0, k: query, v: query + shared }[qkv[3] as 'q' | 'k' | 'v'];
    return [rowsOf(`${qkv[1]}qkv_proj.weight`, query + 2 * shared, from, shape)];
  }
  const mlp = /^(.*\.mlp\.)(gate|up)_proj\.weight$/.exec(name);
  if (mlp === null) return undefined;
  const { intermediate } = dense;
  const from = mlp[2] === 'gate' ? 0 : intermediate;
  return [rowsOf(`${mlp[1]}gate_up_proj.weight`, 2 * intermediate, from, shape)];
};

function projectionRows(attention: AttentionShape): { query: number; shared: number } {
  if (attention.kind !== 'grouped') return { query: 0, shared: 0 };
  const { heads, keyValueHeads, headDim } = attention;
  return { query: heads * headDim, shared: keyValueHeads * headDim };
}

function rowsOf(tensor: string, total: number, from: number, shape: readonly number[]): Piece {
  return { tensor, shape: [total, shape[1]!], slice: [[from, from + shape[0]!]] };
}

/** Experts stacked and stored [in, out], gate and up columns in turn, with biases (GPT-OSS). */
export const pairedExperts: TensorRule = ({ name, shape }) => {
  const found = /\.mlp\.experts\.(gate_up_proj|down_proj)(_bias)?$/.exec(name);
  if (found === null) return undefined;
  const order = found[1] === 'gate_up_proj' ? 'paired-columns' : 'columns';
  const [experts, rows, columns = 1] = shape as [number, number, number?];
  const stored = found[2] === undefined ? [experts, columns, rows] : [experts, rows];
  return Array.from({ length: experts }, (_, e) => ({
    tensor: name,
    shape: stored,
    slice: [[e, e + 1]],
    order,
    offset: e * rows * columns,
  }));
};

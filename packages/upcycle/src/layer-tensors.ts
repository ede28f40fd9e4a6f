/** The feed-forward tensors of one upcycled layer, each as the parts of the dense matrices that it consists of. */
import { isGated } from '@spectra/moe-layer';
import type { Architecture, MoeShape, NamedShape } from '@spectra/transformer';
import type { DenseMlp, MlpMatrix } from './dense-source.ts';
import type { Resolved } from './options.ts';
import type { MatrixPart, PlannedTensor, TensorRole } from './plan.ts';

/** Factors on what the routed and the shared down projections hold. */
export interface Shares {
  readonly routed: number;
  readonly shared: number | undefined;
}

export interface Assembled extends NamedShape {
  readonly role: TensorRole;
  readonly transform: string;
  readonly dtype: PlannedTensor['dtype'];
  /** Equal in size; none: zeros. */
  readonly parts: readonly MatrixPart[];
}

/** Our tensors of one layer's feed-forward network, each as the matrices it consists of. */
export function layerTensors(
  layer: number,
  mlp: DenseMlp,
  { hidden, dense }: Architecture,
  moe: MoeShape,
  resolved: Resolved,
  shares: Shares,
): Assembled[] {
  const { experts, width, parts, noise, drop, mode } = resolved;
  const { intermediate, activation, bias } = dense;
  const prefix = `model.layers.${layer}.mlp.`;
  const ups: MlpMatrix[] = isGated(activation) ? ['gate', 'up'] : ['up'];
  const upName = ups.length === 2 ? 'gate_up_proj' : 'up_proj';
  const each = Array.from({ length: experts }, (_, e) => e);
  const units = (e: number): readonly [number, number] => {
    const part = Math.floor(e / (experts / parts));
    return [part * width, (part + 1) * width];
  };
  const changes = (e: number, matrix: MlpMatrix, vector: boolean): Partial<MatrixPart> => ({
    ...(noise > 0 && !vector ? { noise: { share: noise, stream: `${prefix}${e}.${matrix}` } } : {}),
    ...(drop > 0 && !(vector && matrix === 'down')
      ? {
          dropped: {
            share: drop,
            stream: `${prefix}${e}`,
            axis: matrix === 'down' ? ('columns' as const) : ('rows' as const),
          },
        }
      : {}),
  });
  const upPart =
    (e: number, vector: boolean) =>
    (matrix: MlpMatrix): MatrixPart => ({
      piece: (vector ? mlp.biases : mlp.matrices)[matrix]!,
      rows: units(e),
      ...(vector ? {} : { columns: [0, hidden] as const }),
      factor: 1,
      ...changes(e, matrix, vector),
    });
  const { dtype } = mlp;
  const how = mode === 'granular' ? `${parts} parts, each ${experts / parts} times` : mode;
  const expert = { role: 'expert', transform: how, dtype } as const;
  const tensors: Assembled[] = [
    {
      ...expert,
      name: `${prefix}experts.${upName}`,
      shape: [experts, ups.length * width, hidden],
      parts: each.flatMap(e => ups.map(upPart(e, false))),
    },
    {
      ...expert,
      name: `${prefix}experts.down_proj`,
      shape: [experts, hidden, width],
      parts: each.map(e => ({
        piece: mlp.matrices.down!,
        rows: [0, hidden],
        columns: units(e),
        factor: shares.routed,
        ...changes(e, 'down', false),
      })),
    },
  ];
  if (bias) {
    tensors.push(
      {
        ...expert,
        name: `${prefix}experts.${upName}_bias`,
        shape: [experts, ups.length * width],
        parts: each.flatMap(e => ups.map(upPart(e, true))),
      },
      {
        ...expert,
        name: `${prefix}experts.down_proj_bias`,
        shape: [experts, hidden],
        parts: each.map(() => ({
          piece: mlp.biases.down!,
          rows: [0, hidden],
          factor: shares.routed / parts,
        })),
      },
    );
  }
  if (moe.shared === undefined || shares.shared === undefined) return tensors;
  const shared = { role: 'shared', transform: 'copy', dtype } as const;
  const whole = (matrix: MlpMatrix, factor = 1): MatrixPart => ({
    piece: mlp.matrices[matrix]!,
    rows: [0, matrix === 'down' ? hidden : intermediate],
    columns: [0, matrix === 'down' ? intermediate : hidden],
    factor,
  });
  tensors.push(
    {
      ...shared,
      name: `${prefix}shared_experts.${upName}.weight`,
      shape: [ups.length * intermediate, hidden],
      parts: ups.map(matrix => whole(matrix)),
    },
    {
      ...shared,
      name: `${prefix}shared_experts.down_proj.weight`,
      shape: [hidden, intermediate],
      parts: [whole('down', shares.shared)],
    },
  );
  if (moe.shared.gated) {
    tensors.push({
      ...shared,
      transform: 'zeros',
      name: `${prefix}shared_experts.gate.weight`,
      shape: [1, hidden],
      parts: [],
    });
  }
  return tensors;
}

/** One of our tensors as those of the target's files; each piece holds whole matrices. */
export function placed(
  { shape, role, transform, dtype, parts }: Assembled,
  pieces: readonly { readonly tensor: string; readonly shape: readonly number[]; readonly offset?: number }[],
): PlannedTensor[] {
  const size = (sizes: readonly number[]): number => sizes.reduce((a, b) => a * b, 1);
  const partSize = size(shape) / Math.max(1, parts.length);
  return pieces.map(piece => {
    const from = (piece.offset ?? 0) / partSize;
    const own = parts.slice(from, from + size(piece.shape) / partSize);
    const zeros = new Float32Array(parts.length === 0 ? size(piece.shape) : 0);
    return {
      name: piece.tensor,
      dtype,
      shape: piece.shape,
      role,
      transform,
      sources: [...new Set(own.map(part => part.piece.tensor))],
      content:
        parts.length === 0 ? { kind: 'fresh', values: async () => zeros } : { kind: 'matrices', parts: own },
    };
  });
}

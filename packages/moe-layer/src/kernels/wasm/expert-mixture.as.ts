/**
 * The routed experts as one computation: y_t = Σ_j w_tj · down_e · (silu(gate_e x_t) ⊙ up_e x_t), e the expert of slot j.
 *
 * Rows are slots sorted by expert, so that an expert is a few matrix products over its own rows. The products read and
 * write the tokens' rows by number: no sorted copy of x, y or their cotangents exists. The gate weight of a row is
 * multiplied into its activation, which both saves a pass over the outputs and makes d weight_r = ⟨a_r, dy_t · down_e⟩.
 *
 * Blocking is that of the product (`gemm.as`), an expert's weights being packed once for all of its rows. With m rows
 * an expert does 6·m·H·I flops for the 3·H·I floats of its weights and m·(2·H + 3·I) floats of its rows: 2·m flops a
 * weight, about H flops for a float of the rows. One row is read-bound: the weights are streamed once, not packed.
 *
 * x, y [tokens, H]; weights [tokens, slots]; up [E, 2I, H]; down [E, H, I]; h [rows, 2I] before the activation;
 * slotOfRow [rows]; offsets [E + 1]. Floats but the last two.
 */
import { gemmIndexed, gemmWork } from '../../../../tensor/src/kernels/wasm/gemm.as';
import { swigluRow, swigluRowGrad } from '../../../../tensor/src/kernels/wasm/swiglu.as';

// The call's sizes, set by `mixtureShape`: the functions below share them.
let hidden: i32 = 0;
let inner: i32 = 0;
let experts: i32 = 0;
let slots: i32 = 0;

export function mixtureShape(hiddenOf: i32, innerOf: i32, expertsOf: i32, slotsOf: i32): void {
  hidden = hiddenOf; inner = innerOf; experts = expertsOf; slots = slotsOf;
}

/** Bytes of scratch of either function, if no expert has more than `rows` rows. */
export function mixtureWork(rows: i32): i32 {
  return bytesBefore(rows) + max(
    max(gemmWork(rows, 2 * inner, hidden), gemmWork(rows, hidden, 2 * inner)),
    max(gemmWork(2 * inner, hidden, rows), gemmWork(hidden, inner, rows)),
  );
}

/** Bytes of the row's numbers, I and 2I floats a row, in this order; then the product's scratch. */
@inline function bytesBefore(rows: i32): i32 {
  return ((rows + 3) & ~3) * 4 + ((rows * inner + 3) & ~3) * 4 + ((2 * rows * inner + 3) & ~3) * 4;
}

/** The token of each of `rows` rows. */
function tokensOf(slotOfRow: usize, rows: i32, out: usize): void {
  for (let r = 0; r < rows; r++) {
    store<i32>(out + (<usize>r << 2), load<i32>(slotOfRow + (<usize>r << 2)) / slots);
  }
}

@inline function weightAt(weights: usize, slotOfRow: usize, row: i32): usize {
  return weights + (<usize>load<i32>(slotOfRow + (<usize>row << 2)) << 2);
}

/** `most`: the rows of the busiest expert. */
export function mixture(
  x: usize, weights: usize, up: usize, down: usize, slotOfRow: usize, offsets: usize,
  h: usize, y: usize, tokens: i32, most: i32, work: usize,
): void {
  const wide = <usize>inner << 3, narrow = <usize>inner << 2, row = <usize>hidden << 2;
  const activated = work + (<usize>((most + 3) & ~3) << 2), product = work + bytesBefore(most);
  memory.fill(y, 0, <usize>tokens * row);
  for (let e = 0; e < experts; e++) {
    const first = load<i32>(offsets + (<usize>e << 2)), rows = load<i32>(offsets + (<usize>e << 2), 4) - first;
    const slotsFrom = slotOfRow + (<usize>first << 2);
    const hFrom = h + <usize>first * wide;
    tokensOf(slotsFrom, rows, work);
    gemmIndexed(rows, 2 * inner, hidden, x, row, 4, work, 0, up, 4, row, 0, hFrom, wide, 0, false, product);
    for (let r = 0; r < rows; r++) {
      const weight = load<f32>(weightAt(weights, slotsFrom, r));
      swigluRow(hFrom + <usize>r * wide, activated + <usize>r * narrow, inner, weight);
    }
    gemmIndexed(rows, hidden, inner, activated, narrow, 4, 0, 0, down, 4, narrow, 0, y, row, work, true, product);
    up += <usize>inner * 2 * row; down += <usize>hidden * narrow;
  }
}

/**
 * With g = dy_t · down_e: d weight = ⟨a, g⟩, dh = the activation's slope of weight·g, d down_e = Σ dy_tᵀ (weight·a),
 * d up_e = Σ dhᵀ x_t, dx_t = Σ dh · up_e. With `dUp` and `dDown` 0 the weights' gradients are left out.
 */
export function mixtureGrad(
  x: usize, weights: usize, up: usize, down: usize, slotOfRow: usize, offsets: usize, h: usize, dy: usize,
  dx: usize, dWeights: usize, dUp: usize, dDown: usize, tokens: i32, most: i32, work: usize,
): void {
  const wide = <usize>inner << 3, narrow = <usize>inner << 2, row = <usize>hidden << 2;
  const activated = work + (<usize>((most + 3) & ~3) << 2);
  const slopes = activated + (<usize>((most * inner + 3) & ~3) << 2), product = work + bytesBefore(most);
  const ofExperts = dUp != 0;
  memory.fill(dx, 0, <usize>tokens * row);
  memory.fill(dWeights, 0, <usize>(tokens * slots) << 2);
  for (let e = 0; e < experts; e++) {
    const first = load<i32>(offsets + (<usize>e << 2)), rows = load<i32>(offsets + (<usize>e << 2), 4) - first;
    const slotsFrom = slotOfRow + (<usize>first << 2);
    const hFrom = h + <usize>first * wide;
    tokensOf(slotsFrom, rows, work);
    gemmIndexed(rows, inner, hidden, dy, row, 4, work, 0, down, narrow, 4, 0, activated, narrow, 0, false, product);
    for (let r = 0; r < rows; r++) {
      const weight = load<f32>(weightAt(weights, slotsFrom, r));
      const a = activated + <usize>r * narrow;
      store<f32>(weightAt(dWeights, slotsFrom, r), swigluRowGrad(hFrom + <usize>r * wide, a, slopes + <usize>r * wide, a, inner, weight));
    }
    if (ofExperts) {
      gemmIndexed(hidden, inner, rows, dy, 4, row, 0, work, activated, narrow, 4, 0, dDown, narrow, 0, false, product);
      gemmIndexed(2 * inner, hidden, rows, slopes, 4, wide, 0, 0, x, row, 4, work, dUp, row, 0, false, product);
    }
    gemmIndexed(rows, hidden, 2 * inner, slopes, wide, 4, 0, 0, up, row, 4, 0, dx, row, work, true, product);
    const upBytes = <usize>inner * 2 * row, downBytes = <usize>hidden * narrow;
    up += upBytes; dUp += upBytes; down += downBytes; dDown += downBytes;
  }
}

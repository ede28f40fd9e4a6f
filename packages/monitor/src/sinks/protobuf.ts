/** The few protocol-buffer wire types that event files need. */

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

/** Little-endian base 128; negative numbers as 64-bit two's complement. */
function varint(value: bigint): number[] {
  let rest = BigInt.asUintN(64, value);
  const bytes: number[] = [];
  while (rest >= 0x80n) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return bytes;
}

const key = (field: number, wire: number): number[] => varint(BigInt(field * 8 + wire));

/** The bytes of one message, concatenated fields. */
export function message(...fields: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(fields.reduce((sum, field) => sum + field.length, 0));
  let offset = 0;
  for (const field of fields) {
    bytes.set(field, offset);
    offset += field.length;
  }
  return bytes;
}

const NOTHING = new Uint8Array();

/** Zero is not written, as proto3 has it. */
export const integerField = (field: number, value: number): Uint8Array =>
  value === 0 ? NOTHING : Uint8Array.from([...key(field, VARINT), ...varint(BigInt(value))]);

/** Zero is not written, as proto3 has it. */
export function doubleField(field: number, value: number): Uint8Array {
  if (value === 0) return NOTHING;
  return message(Uint8Array.from(key(field, FIXED64)), doubles([value]));
}

/** Written also where it is zero: a member of a oneof. */
export function floatField(field: number, value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setFloat32(0, value, true);
  return message(Uint8Array.from(key(field, FIXED32)), bytes);
}

export function bytesField(field: number, value: Uint8Array): Uint8Array {
  return message(Uint8Array.from([...key(field, BYTES), ...varint(BigInt(value.length))]), value);
}

export const stringField = (field: number, value: string): Uint8Array =>
  bytesField(field, new TextEncoder().encode(value));

/** A packed repeated double. */
export const doublesField = (field: number, values: ArrayLike<number>): Uint8Array =>
  bytesField(field, doubles(values));

function doubles(values: ArrayLike<number>): Uint8Array {
  const bytes = new Uint8Array(values.length * 8);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < values.length; i++) view.setFloat64(i * 8, values[i]!, true);
  return bytes;
}

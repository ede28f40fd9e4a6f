import { describe, expect, it } from 'vitest';
import { crc32c, maskedCrc32c } from './crc32c.ts';
import { histogram, restartEvent, summaryEvent, versionEvent } from './event.ts';
import { tfRecord } from './tf-record.ts';

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const TIME = 1700000000.25;

describe('CRC-32C', () => {
  // RFC 3720, B.4
  it.each([
    [new Uint8Array(32), 0x8a9136aa],
    [new Uint8Array(32).fill(0xff), 0x62a8ab43],
    [Uint8Array.from({ length: 32 }, (_, i) => i), 0x46dd794e],
    [new TextEncoder().encode('123456789'), 0xe3069283],
  ])('vector %#', (bytes, crc) => expect(crc32c(bytes)).toBe(crc));

  it('stays an unsigned 32-bit number when masked', () => {
    for (let i = 0; i < 100; i++) {
      const masked = maskedCrc32c(Uint8Array.of(i));
      expect(masked).toBeGreaterThanOrEqual(0);
      expect(masked).toBeLessThan(2 ** 32);
    }
  });
});

// the right-hand sides were written by tensorboard 2.21's own RecordWriter and protocol buffers
describe('event records have the bytes that TensorBoard itself writes', () => {
  it('file version', () => {
    expect(hex(tfRecord(versionEvent(TIME)))).toBe(
      '1800000000000000a37f4b220900001040fc54d9411a0d627261696e2e4576656e743a32338d2fe9',
    );
  });

  it('two scalars', () => {
    const event = summaryEvent(TIME, 300, [
      { tag: 'train/loss', scalar: 2.5 },
      { tag: 'überlast/cv', scalar: 0.1 },
    ]);
    expect(hex(tfRecord(event))).toBe(
      '36000000000000004f578cef0900001040fc54d94110ac022a280a110a0a747261696e2f6c6f737315000020400a130a0cc3bc' +
        '6265726c6173742f637615cdcccc3d45f3d968',
    );
  });

  it('a histogram', () => {
    const load = { min: 0, max: 4, count: 3, sum: 7, sumOfSquares: 25, limits: [2, 4], counts: [1, 2] };
    expect(hex(tfRecord(summaryEvent(TIME, 7, [{ tag: 'train/load', histogram: load }])))).toBe(
      '6500000000000000ebd05a690900001040fc54d94110072a580a560a0a747261696e2f6c6f61642a4811000000000000104019' +
        '0000000000000840210000000000001c402900000000000039403210000000000000004000000000000010403a100000000000' +
        '00f03f0000000000000040dc548fd3',
    );
  });

  it('a restart', () => {
    expect(hex(tfRecord(restartEvent(TIME, 101)))).toBe(
      '0f000000000000006d532b090900001040fc54d94110653a02080159da2f78',
    );
  });
});

describe('histogram', () => {
  it('counts every value once and ends at the maximum', () => {
    const made = histogram([1, 2, 2, 5, 9, Number.NaN, Number.POSITIVE_INFINITY], 4);
    expect(made).toEqual({
      min: 1,
      max: 9,
      count: 5,
      sum: 19,
      sumOfSquares: 115,
      limits: [3, 5, 7, 9],
      counts: [3, 0, 1, 1],
    });
  });

  it('has one bucket for equal values, and none filled without values', () => {
    expect(histogram([4, 4])).toMatchObject({ limits: [4], counts: [2] });
    expect(histogram([])).toMatchObject({ min: 0, max: 0, count: 0, counts: [0] });
  });
});

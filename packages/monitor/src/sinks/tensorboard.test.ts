import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { maskedCrc32c } from './crc32c.ts';
import { TensorBoardSink, tensorBoardTag } from './tensorboard.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'spectra-tensorboard-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Checks both CRCs of every record and returns the events. */
function records(path: string): Uint8Array[] {
  const bytes = readFileSync(path);
  const events: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = Number(bytes.readBigUInt64LE(at));
    expect(bytes.readUInt32LE(at + 8)).toBe(maskedCrc32c(bytes.subarray(at, at + 8)));
    const data = bytes.subarray(at + 12, at + 12 + length);
    expect(bytes.readUInt32LE(at + 12 + length)).toBe(maskedCrc32c(data));
    events.push(data);
    at += 16 + length;
  }
  return events;
}

describe('TensorBoardSink', () => {
  it('writes a version, then one event per record that has numbers', () => {
    const sink = new TensorBoardSink(folder, { clock: () => 1700000000.5, suffix: 'host.1.0' });
    sink.write({ step: 1, loss: 2, note: 'warm-up', grad_norm: Number.NaN });
    sink.write({ step: 2, note: 'nothing to draw' });
    sink.writeHistogram('load', [3, 4, 5], 2);
    sink.close();
    expect(readdirSync(folder)).toEqual(['events.out.tfevents.1700000000.host.1.0']);
    const events = records(sink.path).map(event => new TextDecoder('latin1').decode(event));
    expect(events).toHaveLength(3);
    expect(events[0]).toContain('brain.Event:2');
    expect(events[1]).toContain('train/loss');
    expect(events[1]).not.toContain('grad_norm');
    expect(events[2]).toContain('train/load');
  });

  it('makes its folder, never continues an existing file, and refuses to write once closed', () => {
    const options = { clock: () => 1, suffix: 'x' };
    const sink = new TensorBoardSink(join(folder, 'deep', 'run'), options);
    expect(() => new TensorBoardSink(join(folder, 'deep', 'run'), options)).toThrow(
      expect.objectContaining({ code: 'FILE_EXISTS' }),
    );
    sink.close();
    sink.close();
    expect(() => sink.write({ step: 1, loss: 1 })).toThrow(/closed/);
  });

  it('names tags as the Trainer of Hugging Face does', () => {
    expect(['loss', 'eval_loss', 'test_loss', 'overall/cv', 'evaluation'].map(tensorBoardTag)).toEqual([
      'train/loss',
      'eval/loss',
      'test/loss',
      'overall/cv',
      'train/evaluation',
    ]);
  });
});

const READ = `
import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
a = EventAccumulator(sys.argv[1], size_guidance={'scalars': 0, 'histograms': 0})
a.Reload()
print(json.dumps({
  'scalars': {t: [[e.step, e.value, e.wall_time] for e in a.Scalars(t)] for t in a.Tags()['scalars']},
  'histograms': {t: [[e.step, e.histogram_value.num, e.histogram_value.sum, list(e.histogram_value.bucket_limit),
    list(e.histogram_value.bucket)] for e in a.Histograms(t)] for t in a.Tags()['histograms']},
}))`;

interface ReadBack {
  readonly scalars: Record<string, [number, number, number][]>;
  readonly histograms: Record<string, [number, number, number, number[], number[]][]>;
}

const python = process.env.SPECTRA_TENSORBOARD_PYTHON;

describe('read back by TensorBoard', () => {
  it.skipIf(python === undefined)(
    'EventAccumulator (needs SPECTRA_TENSORBOARD_PYTHON)',
    { timeout: 120_000 },
    () => {
      let now = 1700000000;
      const clock = () => now++;
      const losses = Array.from({ length: 50 }, (_, i) => Math.fround(4 * Math.exp(-i / 20)));
      const first = new TensorBoardSink(folder, { clock, suffix: 'first' });
      for (const [i, loss] of losses.entries()) first.write({ step: i + 1, loss, eval_loss: loss + 1 });
      first.writeHistogram('load', [1, 2, 2, 9], 3);
      first.close();
      appendFileSync(first.path, Buffer.from('1000000000000000ab', 'hex')); // a record cut off by a crash
      now = 1700001000;
      const second = new TensorBoardSink(folder, { clock, suffix: 'second', resumeAfter: 40 });
      for (let step = 41; step <= 45; step++) second.write({ step, loss: -step });
      second.close();

      const output = execFileSync(python!, ['-c', READ, folder], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      const read = JSON.parse(output) as ReadBack;
      const wanted = [
        ...losses.slice(0, 40).map((loss, i) => [i + 1, loss]),
        ...[41, 42, 43, 44, 45].map(step => [step, -step]),
      ];
      expect(read.scalars['train/loss']!.map(([step, value]) => [step, value])).toEqual(wanted);
      expect(read.scalars['train/loss']![0]![2]).toBe(1700000002);
      expect(read.scalars['eval/loss']).toHaveLength(40);
      const [step, count, sum, limits, counts] = read.histograms['train/load']![0]!;
      expect([step, count, sum]).toEqual([3, 4, 14]);
      expect(limits.at(-1)).toBe(9);
      expect(counts.reduce((a, b) => a + b, 0)).toBe(4);
    },
  );
});

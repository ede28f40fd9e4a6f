import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AppendFile } from './files.ts';
import { JsonlSink, readJsonl } from './jsonl.ts';
import { teeSink } from './sink.ts';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'spectra-jsonl-'));
  path = join(folder, 'metrics.jsonl');
});
afterEach(() => rmSync(folder, { recursive: true }));

function write(steps: readonly number[], resumeAfter?: number): void {
  const sink = new JsonlSink(path, resumeAfter === undefined ? {} : { resumeAfter });
  for (const step of steps) sink.write({ step, loss: step / 10 });
  sink.close();
}

const steps = () => readJsonl(path).map(record => record.step);

describe('JsonlSink', () => {
  it('appends one line per record, readable before it is closed', () => {
    const sink = new JsonlSink(path);
    sink.write({ step: 1, loss: 2.5, note: 'line\nbreak', eval_loss: Number.NaN });
    expect(readFileSync(path, 'utf8')).toBe('{"step":1,"loss":2.5,"note":"line\\nbreak","eval_loss":null}\n');
    sink.close();
    write([2]);
    expect(steps()).toEqual([1, 2]);
  });

  it('resumes after a step: later lines go, earlier ones stay byte for byte', () => {
    write([10, 20, 30, 40]);
    const before = readFileSync(path, 'utf8').split('\n').slice(0, 2);
    write([30], 20);
    expect(steps()).toEqual([10, 20, 30]);
    expect(readFileSync(path, 'utf8').split('\n').slice(0, 2)).toEqual(before);
  });

  it('removes a line that a crash cut off, wherever it was cut', () => {
    write([1, 2]);
    const whole = readFileSync(path);
    const line = whole.indexOf('\n') + 1;
    for (let cut = line; cut < whole.length; cut++) {
      writeFileSync(path, whole.subarray(0, cut));
      expect(steps()).toEqual([1]);
      write([3]);
      expect(steps()).toEqual([1, 3]);
    }
  });

  it('names a broken line on resume and leaves the file alone', () => {
    writeFileSync(path, '{"step":1}\nnot json\n{"step":3}\n');
    expect(() => new JsonlSink(path, { resumeAfter: 1 })).toThrow(
      expect.objectContaining({ code: 'FILE_BROKEN', message: expect.stringContaining('line 2') }),
    );
    expect(readFileSync(path, 'utf8')).toContain('not json');
    writeFileSync(path, '[1]\n');
    expect(() => readJsonl(path)).toThrow(/line 1/);
  });

  it('says what is missing, and refuses to write once closed', () => {
    expect(() => new JsonlSink(join(folder, 'none', 'metrics.jsonl'))).toThrow(
      expect.objectContaining({ code: 'FILE_MISSING' }),
    );
    const sink = new JsonlSink(path);
    sink.close();
    sink.close();
    expect(() => sink.write({ step: 1 })).toThrow(/closed/);
  });

  it('keeps whole lines when the file grows under it', () => {
    const sink = new JsonlSink(path);
    sink.write({ step: 1 });
    appendFileSync(path, '{"step":2}\n');
    sink.write({ step: 3 });
    sink.close();
    expect(steps()).toEqual([1, 2, 3]);
  });
});

it.runIf(existsSync('/dev/full'))('reports a full disk by its code', () => {
  const file = new AppendFile('/dev/full', 'a'); // every write to this device fails with ENOSPC
  expect(() => file.append(Uint8Array.of(1))).toThrow(expect.objectContaining({ code: 'DISK_FULL' }));
});

it('teeSink writes to and closes all', () => {
  const log: string[] = [];
  const sink = (name: string) => ({
    write: ({ step }: { step: number }) => void log.push(`${name}${step}`),
    close: () => void log.push(`${name}.`),
  });
  const tee = teeSink([sink('a'), sink('b')]);
  tee.write({ step: 7 });
  tee.close();
  expect(log).toEqual(['a7', 'b7', 'a.', 'b.']);
});

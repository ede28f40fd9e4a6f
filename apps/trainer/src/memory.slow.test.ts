/** Five hundred steps of the demo leak nothing: the tensors alive stay the same in number, resident memory stops growing. */
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../../', import.meta.url));

interface Sample {
  readonly step: number;
  readonly tensors: number;
  readonly rss: number;
}

it('500 steps: numTensors flat, RSS flat after warm-up', async () => {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [
      '--conditions=@spectra/source',
      '--disable-warning=ExperimentalWarning',
      join(root, 'apps/trainer/src/testing/memory-probe.ts'),
      join(root, 'configs/demo.yaml'),
      '500',
    ],
    { cwd: root, maxBuffer: 1 << 24 },
  );
  const samples = stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as Sample);
  writeFileSync(join(root, 'docs/results/memory.json'), `${JSON.stringify(samples)}\n`);

  expect(samples.length).toBe(50);
  expect(new Set(samples.map(sample => sample.tensors)).size).toBe(1);
  const meanRss = (from: number, to: number): number => {
    const part = samples.filter(({ step }) => step > from && step <= to);
    return part.reduce((sum, { rss }) => sum + rss, 0) / part.length;
  };
  expect(meanRss(400, 500)).toBeLessThan(1.05 * meanRss(100, 200));
});

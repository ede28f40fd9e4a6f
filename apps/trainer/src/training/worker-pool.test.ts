import type { Worker } from 'node:worker_threads';
import { expect, it } from 'vitest';
import { parseConfig } from '../config/load.ts';
import { WorkerPool } from './worker-pool.ts';

const config = parseConfig(
  '{name: x, model: {vocab_size: 8, hidden_size: 8, num_attention_heads: 1, num_hidden_layers: 1}}',
);
const options = (backend: string) => ({
  slots: 1,
  sizes: { parameters: 4, trainable: 4 },
  config,
  existing: undefined,
  backend,
});
const threadsOf = (pool: WorkerPool) => (pool as unknown as { threads: readonly Worker[] }).threads;

it('a thread that died between two steps fails the next one', async () => {
  const pool = await WorkerPool.start(1, options('cpu'));
  const [thread] = threadsOf(pool);
  await thread!.terminate();
  const [result] = pool.run(0, { jobs: [{ index: 0, job: {} as never }], routerStates: [] });
  await expect(result).rejects.toMatchObject({
    code: 'WORKER_FAILED',
    message: expect.stringContaining('ended with code'),
  });
  await pool.stop();
});

it('a thread that cannot start says why', async () => {
  const starting = WorkerPool.start(1, options('no-such-backend'));
  await expect(starting).rejects.toMatchObject({
    code: 'VALUE',
    message: expect.stringContaining('no-such-backend'),
  });
});

it('no thread stays where one cannot start', async () => {
  const before = process.getActiveResourcesInfo().filter(name => name === 'MessagePort').length;
  await expect(WorkerPool.start(3, options('no-such-backend'))).rejects.toMatchObject({ code: 'VALUE' });
  expect(process.getActiveResourcesInfo().filter(name => name === 'MessagePort').length).toBe(before);
});

it('an error of a micro-batch keeps its code', async () => {
  const pool = await WorkerPool.start(1, options('cpu'));
  const [result] = pool.run(0, { jobs: [{ index: 0, job: {} as never }], routerStates: [] });
  await expect(result).rejects.toMatchObject({ code: 'WORKER_FAILED' });
  await pool.stop();
});

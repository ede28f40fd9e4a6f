import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { convertModel } from '@spectra/checkpoint/node';
import { testBackend, workspaceRoot } from '@spectra/testing';
import { spectra } from '@spectra/transformer';
import { loadModel } from '@spectra/transformer/node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { replaceRouterFolder, upcycleFolder } from './node.ts';

/** Files of others, damaged or made to harm: each a coded error, nothing written, no memory for what they claim. */

beforeAll(testBackend);
let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hostile-'));
});
afterAll(() => rm(folder, { recursive: true }));

const router = spectra({ router_dim: 4, state_size: 4 });
const OPERATIONS = {
  expand: (from: string, to: string) => upcycleFolder(from, to, { mode: 'expand' }),
  'replace-router': (from: string, to: string) => replaceRouterFolder(from, to, { router }),
  convert: (from: string, to: string) => convertModel(from, to, { maxShardBytes: 1e6 }),
  load: async (from: string) => (await loadModel(from)).dispose(),
} as const;
type Operation = keyof typeof OPERATIONS;
const ALL = Object.keys(OPERATIONS) as Operation[];

type Header = Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }>;
interface Files {
  /** The first weights' file. */
  readonly shard: string;
  read(file: string): Promise<Buffer>;
  write(file: string, bytes: Buffer | string): Promise<void>;
}

/** The file with another header, as text, and its length right. */
async function withHeader(files: Files, change: (json: string, header: Header) => string): Promise<void> {
  const bytes = await files.read(files.shard);
  const end = 8 + Number(bytes.readBigUInt64LE(0));
  const json = bytes.toString('utf8', 8, end);
  const text = Buffer.from(change(json, JSON.parse(json) as Header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  await files.write(files.shard, Buffer.concat([length, text, bytes.subarray(end)]));
}

const edited = (change: (header: Header) => void) => (files: Files) =>
  withHeader(files, (_, header) => {
    change(header);
    return JSON.stringify(header);
  });

/** Names of tensors in the order of their bytes. */
const inOrder = (header: Header): string[] =>
  Object.keys(header)
    .filter(name => name !== '__metadata__')
    .sort((a, b) => header[a]!.data_offsets[0] - header[b]!.data_offsets[0]);

async function json(
  files: Files,
  file: string,
  change: (value: Record<string, Record<string, string>>) => void,
) {
  const value = JSON.parse((await files.read(file)).toString());
  change(value);
  await files.write(file, JSON.stringify(value));
}

const INDEX = 'model.safetensors.index.json';
type Case = [string, string, (files: Files) => Promise<void>, string, Operation[]?];
const CASES: Case[] = [
  [
    'a header that is cut off',
    'mixtral',
    async files => files.write(files.shard, (await files.read(files.shard)).subarray(0, 500)),
    'CHECKPOINT_BROKEN',
  ],
  [
    'a huge header length',
    'mixtral',
    async files => {
      const bytes = await files.read(files.shard);
      bytes.writeBigUInt64LE(2n ** 62n);
      await files.write(files.shard, bytes);
    },
    'CHECKPOINT_BROKEN',
  ],
  [
    'overlapping tensors',
    'mixtral',
    edited(header => {
      const [first, second] = inOrder(header).filter(name => header[name]!.shape.length === 1);
      header[second!]!.data_offsets = [...header[first!]!.data_offsets];
    }),
    'CHECKPOINT_BROKEN',
  ],
  [
    'offsets beyond the file',
    'mixtral',
    edited(header => {
      const [begin, end] = header[inOrder(header).at(-1)!]!.data_offsets;
      header[inOrder(header).at(-1)!]!.data_offsets = [begin + 2 ** 40, end + 2 ** 40];
    }),
    'CHECKPOINT_BROKEN',
  ],
  [
    'a shape of terabytes',
    'mixtral',
    edited(header => {
      header[inOrder(header)[0]!]!.shape = [2 ** 24, 2 ** 20];
    }),
    'CHECKPOINT_BROKEN',
  ],
  [
    'a name that is there twice',
    'mixtral',
    files =>
      withHeader(files, (text, header) => {
        const name = inOrder(header)[0]!;
        return `{${JSON.stringify(name)}:${JSON.stringify(header[name])},${text.slice(1)}`;
      }),
    'CHECKPOINT_BROKEN',
  ],
  [
    'a router of integers',
    'mixtral',
    edited(header => {
      header['model.layers.0.block_sparse_moe.gate.weight']!.dtype = 'I32';
    }),
    'CHECKPOINT_MISMATCH',
    ['expand', 'replace-router', 'load'],
  ],
  [
    'an expert of integers',
    'mixtral',
    edited(header => {
      header['model.layers.1.block_sparse_moe.experts.3.w1.weight']!.dtype = 'I32';
    }),
    'CHECKPOINT_MISMATCH',
    ['expand', 'replace-router', 'load'],
  ],
  [
    'scales that are no numbers',
    'deepseek_v3_fp8',
    async files => {
      const bytes = await files.read(files.shard);
      const begin = 8 + Number(bytes.readBigUInt64LE(0));
      const header = JSON.parse(bytes.toString('utf8', 8, begin)) as Header;
      const scales = Object.keys(header).find(name => name.endsWith('_scale_inv'))!;
      bytes.writeFloatLE(Number.NaN, begin + header[scales]!.data_offsets[0]);
      await files.write(files.shard, bytes);
    },
    'NOT_FINITE',
    // the files with the scales are linked, and not read, where only the router changes
    ['expand', 'convert', 'load'],
  ],
  [
    'a shard that is missing',
    'qwen3_moe',
    files => rm(join(folder, 'source', files.shard)),
    'CHECKPOINT_BROKEN',
  ],
  [
    'an index that points elsewhere',
    'qwen3_moe',
    files =>
      json(files, INDEX, value => {
        const map: Record<string, string> = value.weight_map!;
        map[Object.keys(map)[0]!] = '../../secret.safetensors';
      }),
    'CHECKPOINT_BROKEN',
  ],
  [
    'an index that names a tensor twice',
    'qwen3_moe',
    async files => {
      const text = (await files.read(INDEX)).toString();
      const entry = /"model\.norm\.weight": *"[^"]+"/.exec(text)![0];
      await files.write(INDEX, text.replace(entry, `${entry}, ${entry}`));
    },
    'CHECKPOINT_BROKEN',
  ],
  [
    'a configuration with more experts',
    'qwen3_moe',
    files =>
      json(files, 'config.json', value => {
        Object.assign(value, { num_experts: 16 });
      }),
    'CHECKPOINT_MISMATCH',
    ['expand', 'replace-router', 'load'],
  ],
  ...(['mixtral', 'qwen3_moe', 'deepseek_v3'] as const).map(
    (name): Case => [
      `a configuration with fewer experts (${name})`,
      name,
      files =>
        json(files, 'config.json', value => {
          for (const key of ['num_local_experts', 'num_experts', 'n_routed_experts']) {
            if (value[key] !== undefined) Object.assign(value, { [key]: 4, n_group: 1, topk_group: 1 });
          }
        }),
      'CHECKPOINT_MISMATCH',
      ['expand', 'replace-router', 'load'],
    ],
  ),
  [
    'a configuration with fewer layers',
    'qwen3_moe',
    files =>
      json(files, 'config.json', value => {
        Object.assign(value, { num_hidden_layers: Number(value.num_hidden_layers) - 1 });
      }),
    'CHECKPOINT_MISMATCH',
    ['expand', 'replace-router', 'load'],
  ],
  [
    'a router of another shape',
    'mixtral',
    edited(header => {
      const gate = header['model.layers.1.block_sparse_moe.gate.weight']!;
      gate.shape = [gate.shape[0]! / 2, gate.shape[1]! * 2];
    }),
    'CHECKPOINT_MISMATCH',
    ['expand', 'replace-router', 'load'],
  ],
  [
    'a configuration with wider experts',
    'qwen3_moe',
    files =>
      json(files, 'config.json', value => {
        Object.assign(value, { moe_intermediate_size: 2 ** 20 });
      }),
    'CHECKPOINT_MISMATCH',
    ['expand', 'replace-router'],
  ],
  [
    'a huge configuration',
    'mixtral',
    // sparse: it takes no room on the disk
    () => truncate(join(folder, 'source', 'config.json'), 450e6),
    'CHECKPOINT_BROKEN',
  ],
  [
    'a configuration without an end',
    'mixtral',
    async () => {
      await rm(join(folder, 'source', 'config.json'));
      await symlink('/dev/zero', join(folder, 'source', 'config.json'));
    },
    'FILE_BROKEN',
  ],
  [
    'a folder for a configuration',
    'mixtral',
    async () => {
      await rm(join(folder, 'source', 'config.json'));
      await mkdir(join(folder, 'source', 'config.json'));
    },
    'FILE_BROKEN',
  ],
  [
    'a tokenizer that is a link to nowhere',
    'mixtral',
    () => symlink('nowhere', join(folder, 'source', 'tokenizer.json')),
    'FILE_MISSING',
    ['expand', 'replace-router', 'convert'],
  ],
];

describe.each(CASES)('%s', (_, name, damage, code, operations = ALL) => {
  it.each(operations)(`is ${code} to %s`, async operation => {
    const [from, to] = [join(folder, 'source'), join(folder, 'target')];
    await rm(from, { recursive: true, force: true });
    await cp(join(workspaceRoot(), 'fixtures', 'hf', name), from, { recursive: true });
    const shard = (await readdir(from)).filter(file => /^model.*\.safetensors$/.test(file)).sort()[0]!;
    const read = (file: string): Promise<Buffer> => readFile(join(from, file));
    await damage({ shard, read, write: (file, bytes) => writeFile(join(from, file), bytes) });
    const before = process.memoryUsage.rss();
    await expect(OPERATIONS[operation](from, to)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(/^.{1,2000}$/s),
    });
    expect(process.memoryUsage.rss() - before).toBeLessThan(200e6);
    expect((await readdir(folder)).sort()).toEqual(['source']);
  });
});

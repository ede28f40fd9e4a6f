import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { workspaceRoot } from '@spectra/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ConversionDtype } from '../conversion/converted-config.ts';
import { convertModel } from './convert-model.ts';
import { openModel, writeModel } from './model.ts';

const ROOT = process.env.SPECTRA_HF_FIXTURES ?? join(workspaceRoot(), 'fixtures', 'hf');
const fixture = (name: string): string => join(ROOT, name);
/** Every family, dtype and layout that is there. */
const FAMILIES = readdirSync(ROOT);

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'spectra-convert-'));
});
afterEach(() => rm(folder, { recursive: true }));
const at = (name: string): string => join(folder, name);

/** Dtype, shape and hash of every stored tensor. */
async function stored(path: string): Promise<Record<string, string>> {
  const store = await openModel(path);
  const found: Record<string, string> = {};
  for (const name of store.stored.names().sort()) {
    const { dtype, shape, begin, end } = store.stored.entry(name);
    const bytes = new Uint8Array(end - begin);
    await store.stored.readBytes(name, 0, bytes);
    found[name] = `${dtype} [${shape}] ${createHash('sha256').update(bytes).digest('hex')}`;
  }
  await store.close();
  return found;
}

async function values(
  path: string,
): Promise<Map<string, { shape: readonly number[]; data: ArrayLike<number> }>> {
  const store = await openModel(path);
  const found = new Map<string, { shape: readonly number[]; data: ArrayLike<number> }>();
  for (const name of store.names()) found.set(name, await store.read(name));
  await store.close();
  return found;
}

const config = async (path: string): Promise<Record<string, unknown>> =>
  JSON.parse(await readFile(join(path, 'config.json'), 'utf8'));

describe('convert', () => {
  it.each(FAMILIES)('%s without options writes the same weight files, byte for byte', async name => {
    await convertModel(fixture(name), at('same'));
    const weights = (await readdir(fixture(name))).filter(file => /^model.*\.safetensors$/.test(file));
    expect((await readdir(at('same'))).filter(file => file.endsWith('.safetensors')).sort()).toEqual(
      weights.sort(),
    );
    for (const file of weights) {
      expect(
        (await readFile(join(at('same'), file))).equals(await readFile(join(fixture(name), file))),
        file,
      ).toBe(true);
    }
    expect(await readFile(join(at('same'), 'config.json'))).toEqual(
      await readFile(join(fixture(name), 'config.json')),
    );
    expect(await readdir(folder)).toEqual(['same']);
  });

  it.each([
    ['mixtral', 'mixtral_fused'],
    ['qwen3_moe', 'qwen3_moe_fused'],
  ])('%s to fused experts is what transformers 5 writes, and back, bit by bit', async (published, fused) => {
    await convertModel(fixture(published), at('fused'), { layout: 'fused' });
    expect(await stored(at('fused'))).toEqual(await stored(fixture(fused)));
    await convertModel(at('fused'), at('back'), { layout: 'per-expert', maxShardBytes: 300_000 });
    expect(await stored(at('back'))).toEqual(await stored(fixture(published)));
    expect((await readdir(at('back'))).filter(file => file.endsWith('.safetensors')).length).toBeGreaterThan(
      2,
    );
    await convertModel(at('back'), at('again'), { layout: 'per-expert' });
    expect(await stored(at('again'))).toEqual(await stored(fixture(published)));
  });

  const bothLayouts = ['minimax_m2', 'glm4_moe', 'qwen2_moe', 'olmoe', 'deepseek_v3', 'kimi_k2'];
  it.each(bothLayouts)('%s: layouts come and go; passengers stay', async name => {
    await convertModel(fixture(name), at('fused'), { layout: 'fused' });
    const fused = await stored(at('fused'));
    expect(Object.keys(fused).filter(key => /experts\.\d+\./.test(key))).toEqual([]);
    expect(Object.keys(fused).some(key => key.includes('block_sparse_moe'))).toBe(false);
    expect(fused['model.layers.2.mlp.experts.gate_up_proj']).toBeDefined();
    await convertModel(at('fused'), at('back'), { layout: 'per-expert' });
    expect(await stored(at('back'))).toEqual(await stored(fixture(name)));
  });

  it.each(FAMILIES)(
    '%s: in bf16 and f16, through f32 and back, bit by bit; in shards and back, too',
    async name => {
      for (const dtype of ['bf16', 'f16'] as const) {
        await convertModel(fixture(name), at(dtype), { dtype });
        await convertModel(at(dtype), at(`${dtype}-f32`), { dtype: 'f32' });
        await convertModel(at(`${dtype}-f32`), at(`${dtype}-again`), { dtype });
        expect(await stored(at(`${dtype}-again`)), dtype).toEqual(await stored(at(dtype)));
      }
      await convertModel(fixture(name), at('shards'), { maxShardBytes: 100_000 });
      await convertModel(at('shards'), at('single'), { maxShardBytes: 1e9 });
      expect(await stored(at('single'))).toEqual(await stored(fixture(name)));
    },
  );

  it('bf16 to f32 and back is exact; what must stay float32 does', async () => {
    await convertModel(fixture('glm4_moe'), at('f32'), { dtype: 'f32' });
    const wide = await openModel(at('f32'));
    expect([...new Set(wide.names().map(name => wide.entry(name).dtype))]).toEqual(['F32']);
    await wide.close();
    expect(await config(at('f32'))).toMatchObject({ torch_dtype: 'float32' });
    await convertModel(at('f32'), at('bf16'), { dtype: 'bf16' });
    expect(await stored(at('bf16'))).toEqual(await stored(fixture('glm4_moe')));
    expect((await stored(at('bf16')))['model.layers.1.mlp.gate.e_score_correction_bias']).toMatch(/^F32/);
    await convertModel(at('f32'), at('f16'), { dtype: 'f16' });
    await convertModel(at('f16'), at('f16-f32'), { dtype: 'f32' });
    const [half, full] = [await values(at('f16-f32')), await values(at('f32'))];
    for (const [name, { data }] of full) {
      const other = half.get(name)!.data;
      for (let i = 0; i < data.length; i++) {
        if (Math.abs(other[i]! - data[i]!) > 2 ** -11 * Math.abs(data[i]!) + 2 ** -25)
          expect.fail(`${name} ${i}`);
      }
    }
  });

  it.each([
    ['deepseek_v3_fp8', 'fp8'],
    ['gpt_oss_mxfp4', 'mxfp4'],
  ] as const)('%s to f32, and quantised again, is the same bit by bit', async (name, dtype) => {
    await convertModel(fixture(name), at('f32'), { dtype: 'f32' });
    expect(await config(at('f32'))).not.toHaveProperty('quantization_config');
    const plain = await values(at('f32'));
    for (const [tensor, { shape, data }] of await values(fixture(name))) {
      expect(plain.get(tensor)!.shape).toEqual(shape);
      expect(plain.get(tensor)!.data).toEqual(data);
    }
    await convertModel(at('f32'), at('again'), { dtype });
    const [before, after] = [await stored(fixture(name)), await stored(at('again'))];
    const quantised = Object.keys(before).filter(
      key => /_scale_inv$|_blocks$|_scales$/.test(key) || before[key]!.startsWith('F8'),
    );
    expect(quantised.length).toBeGreaterThan(3);
    for (const key of quantised) expect(after[key], key).toBe(before[key]);
    expect(Object.keys(after)).toEqual(Object.keys(before));
    const { quantization_config: made } = await config(at('again'));
    expect(made).toEqual((await config(fixture(name))).quantization_config);
  });

  it.each([
    [
      'mixtral',
      [
        'lm_head',
        'model.layers.0.block_sparse_moe.gate',
        'model.layers.1.block_sparse_moe.gate',
        'model.layers.2.block_sparse_moe.gate',
      ],
    ],
    ['llama', undefined],
  ])('FP8 of %s names the modules that are not: %j', async (name, left) => {
    await convertModel(fixture(name), at('fp8'), { dtype: 'fp8' });
    const { quantization_config: made } = (await config(at('fp8'))) as { quantization_config: object };
    expect((made as { modules_to_not_convert?: string[] }).modules_to_not_convert).toEqual(left);
  });

  it('from one quantised form to the other, the configuration names the new one', async () => {
    await convertModel(fixture('gpt_oss_mxfp4'), at('fp8'), { dtype: 'fp8' });
    expect((await config(at('fp8'))).quantization_config).toMatchObject({ quant_method: 'fp8' });
    expect(Object.keys(await stored(at('fp8'))).some(name => name.endsWith('gate_up_proj_scale_inv'))).toBe(
      true,
    );
    await expect(convertModel(at('fp8'), at('back'), { dtype: 'mxfp4' })).rejects.toThrow('would stay so');
  });

  it('FP8 experts of whole blocks change their layout code by code; others ask for another dtype', async () => {
    const [experts, hidden, width] = [2, 130, 256];
    await cp(fixture('deepseek_v3_fp8'), at('odd'), { recursive: true });
    await expect(convertModel(at('odd'), at('x'), { layout: 'fused' })).rejects.toMatchObject({
      code: 'VALUE',
      fix: expect.stringContaining('--dtype bf16'),
    });
    const random = (n: number, seed: number): Float32Array =>
      Float32Array.from({ length: n }, (_, i) => Math.sin(i * 7.1 + seed));
    const matrix = (name: string, rows: number, columns: number, seed: number) =>
      ({ name, dtype: 'F32', shape: [rows, columns], data: () => random(rows * columns, seed) }) as const;
    const source = at('plain');
    await cp(fixture('mixtral'), source, { recursive: true, filter: path => !path.endsWith('.safetensors') });
    await writeFile(
      join(source, 'config.json'),
      JSON.stringify({ model_type: 'mixtral', num_hidden_layers: 1, num_local_experts: experts }),
    );
    const prefix = 'model.layers.0.block_sparse_moe';
    await writeModel(source, [
      matrix(`${prefix}.gate.weight`, experts, hidden, 0),
      ...[0, 1].flatMap(e => [
        matrix(`${prefix}.experts.${e}.w1.weight`, width, hidden, e),
        matrix(`${prefix}.experts.${e}.w2.weight`, hidden, width, e + 0.2),
        matrix(`${prefix}.experts.${e}.w3.weight`, width, hidden, e + 0.3),
      ]),
    ]);
    await convertModel(source, at('fp8'), { dtype: 'fp8' });
    await convertModel(at('fp8'), at('fused'), { layout: 'fused' });
    const fused = await stored(at('fused'));
    expect(fused['model.layers.0.mlp.experts.gate_up_proj']).toMatch(/^F8_E4M3 \[2,512,130\]/);
    expect(fused['model.layers.0.mlp.experts.gate_up_proj_scale_inv']).toMatch(/^F32 \[2,4,2\]/);
    await convertModel(at('fused'), at('back'), { layout: 'per-expert' });
    expect(await stored(at('back'))).toEqual(await stored(at('fp8')));
    // both steps at once, in either order, give the same
    await convertModel(source, at('once'), { dtype: 'fp8', layout: 'fused' });
    expect(await stored(at('once'))).toEqual(fused);
    await convertModel(at('fused'), at('wide'), { dtype: 'f32', layout: 'per-expert' });
    const [wide, direct] = [await values(at('wide')), await values(at('fp8'))];
    for (const [name, { data }] of direct) expect(wide.get(name)!.data, name).toEqual(data);
  });

  it('shards by size and reads the same', async () => {
    await convertModel(fixture('gpt_oss_mxfp4'), at('shards'), { maxShardBytes: 60_000 });
    expect(
      (await readdir(at('shards'))).filter(file => /^model-0000\d-of-0000\d/.test(file)).length,
    ).toBeGreaterThan(3);
    await convertModel(at('shards'), at('kept'));
    expect((await readdir(at('kept'))).sort()).toEqual((await readdir(at('shards'))).sort());
    await convertModel(at('shards'), at('single'), { maxShardBytes: 1e9 });
    expect(await readFile(join(at('single'), 'model.safetensors'))).toEqual(
      await readFile(join(fixture('gpt_oss_mxfp4'), 'model.safetensors')),
    );
  });
});

describe('convert refuses', () => {
  const refuse = async (
    from: string,
    options: Parameters<typeof convertModel>[2],
    expected: object,
  ): Promise<void> => {
    await expect(convertModel(from, at('target'), options)).rejects.toMatchObject(expected);
    expect((await readdir(folder)).filter(name => name.startsWith('target'))).toEqual([]);
  };

  it('what a family does not have', async () => {
    await refuse(fixture('gpt_oss_mxfp4'), { layout: 'per-expert' }, { code: 'VALUE' });
    await refuse(fixture('llama'), { layout: 'fused' }, { code: 'VALUE' });
    await refuse(fixture('mixtral'), { dtype: 'mxfp4' as ConversionDtype }, { code: 'VALUE' });
  });

  it.each([
    [{ quantization_config: { quant_method: 'compressed-tensors' } }, 'compressed-tensors'],
    [{ quantization_config: { quant_method: 'gptq', bits: 4 } }, 'gptq'],
    [{ quantization_config: { group_size: 64, bits: 4 } }, 'an unnamed method'],
  ])('weights in a form that it does not read: %j', async (more, named) => {
    await cp(fixture('mixtral'), at('source'), { recursive: true });
    const path = join(at('source'), 'config.json');
    await writeFile(path, JSON.stringify({ ...(await config(fixture('mixtral'))), ...more }));
    const expected = { code: 'CONFIG_INVALID', message: expect.stringContaining(named) };
    await refuse(at('source'), { dtype: 'bf16' }, expected);
    await refuse(at('source'), { layout: 'fused' }, expected);
    await convertModel(at('source'), at('copy'), { maxShardBytes: 1e6 });
  });

  it('an existing target, and leaves it', async () => {
    await writeFile(at('taken'), 'mine');
    await expect(convertModel(fixture('llama'), at('taken'))).rejects.toMatchObject({ code: 'FILE_EXISTS' });
    expect(await readFile(at('taken'), 'utf8')).toBe('mine');
  });

  it('experts that are not all there, or are not what the configuration says', async () => {
    await cp(fixture('mixtral'), at('source'), { recursive: true });
    const path = join(at('source'), 'config.json');
    await writeFile(path, JSON.stringify({ ...(await config(fixture('mixtral'))), num_local_experts: 6 }));
    await refuse(
      at('source'),
      { layout: 'fused' },
      { code: 'CHECKPOINT_MISMATCH', message: expect.stringContaining('8 experts') },
    );
    await rm(path);
    await refuse(at('source'), {}, { code: 'FILE_MISSING' });
    await writeFile(path, '[]');
    await refuse(at('source'), {}, { code: 'CONFIG_INVALID' });
  });

  it('damaged weights and scales, after having begun to write', async () => {
    await cp(fixture('deepseek_v3_fp8'), at('source'), { recursive: true });
    const file = join(at('source'), 'model-00003-of-00003.safetensors');
    const bytes = await readFile(file);
    const begin = 8 + Number(bytes.readBigUInt64LE(0));
    bytes.writeFloatLE(Number.NaN, begin); // the first tensor is a scale
    await writeFile(file, bytes);
    await refuse(at('source'), {}, { code: 'NOT_FINITE' });
    await refuse(at('source'), { dtype: 'bf16' }, { code: 'NOT_FINITE' });
    await writeFile(file, bytes.subarray(0, bytes.length - 1));
    await refuse(at('source'), {}, { code: 'CHECKPOINT_BROKEN' });
  });
});

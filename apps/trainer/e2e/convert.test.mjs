// Model folders of others: inspected by their headers, here and over a network, and converted.
import assert from 'node:assert/strict';
import { cpSync, createReadStream, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { cli, filesIn, json, ok, root, workspace } from './support.mjs';

const folder = workspace({ after });
const fixture = name => join(root, 'fixtures', 'hf', name);
const inspected = async (path, options) =>
  JSON.parse((await ok(folder, ['inspect', path, '--json'], options)).stdout);

/** Serves a folder's files by range, as the Hub and any web server do; counts what it sends. */
async function serve(t, path, prefix = '/') {
  const sent = { bytes: 0, files: new Set() };
  const server = createServer((request, response) => {
    const name = decodeURIComponent(new URL(request.url, 'http://x').pathname.slice(prefix.length));
    if (!request.url.startsWith(prefix) || !readdirSync(path).includes(name))
      return response.writeHead(404).end();
    const { size } = statSync(join(path, name));
    const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
    const [start, end] =
      range === null ? [0, size - 1] : [Number(range[1]), Math.min(size - 1, Number(range[2]))];
    sent.bytes += end - start + 1;
    sent.files.add(name);
    response.writeHead(range === null ? 200 : 206, { 'content-range': `bytes ${start}-${end}/${size}` });
    createReadStream(join(path, name), { start, end }).pipe(response);
  });
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return { address: `http://127.0.0.1:${server.address().port}`, sent };
}

test('inspect reads folders of every family by their headers', async () => {
  for (const name of readdirSync(join(root, 'fixtures', 'hf'))) {
    const { parameters, routers, tensors } = await inspected(fixture(name));
    const { moe_layers } = json(join(fixture(name), 'meta.json'));
    assert.equal(routers.length, moe_layers.length, name);
    assert.ok(moe_layers.length > 0 ? parameters.active < parameters.total : tensors.length > 0, name);
  }
  const { stdout } = await ok(folder, ['inspect', fixture('gpt_oss_mxfp4')]);
  assert.match(stdout, /model\.layers\.\{L\}\.mlp\.experts\.gate_up_proj +\[8, 64, 192\] +MXFP4 +2 /);
  assert.match(stdout, /2 mixture-of-experts layers, routed as gpt_oss: 2 of 8 experts a token/);
});

test('inspect of an address and of a Hub id fetches headers only', async t => {
  const local = await inspected(fixture('deepseek_v3_fp8'));
  const web = await serve(t, fixture('deepseek_v3_fp8'));
  const remote = await inspected(`${web.address}/`);
  assert.deepEqual(remote.tensors, local.tensors);
  assert.deepEqual(remote.parameters, local.parameters);
  assert.ok(web.sent.bytes < 250_000, `${web.sent.bytes} bytes were fetched`);
  assert.ok(!web.sent.files.has('expected.safetensors'));

  const hub = await serve(t, fixture('qwen3_moe'), '/org/tiny/resolve/main/');
  const env = { HF_ENDPOINT: hub.address, HF_HUB_CACHE: join(folder, 'cache') };
  assert.deepEqual(
    (await inspected('org/tiny', { env })).tensors,
    (await inspected(fixture('qwen3_moe'))).tensors,
  );

  const none = await cli(folder, ['inspect', 'org/absent'], { env });
  assert.equal(none.code, 1);
  assert.match(none.stderr, /^error FILE_MISSING: there is no config\.json\. \(at http.*org\/absent/m);
  const offline = await cli(folder, ['inspect', 'org/tiny'], {
    env: { ...env, HF_ENDPOINT: 'http://127.0.0.1:9' },
  });
  assert.equal(offline.code, 1);
  assert.match(offline.stderr, /^error NETWORK: the server cannot be reached .*Fix: /m);
});

test('convert changes layout, dtype and shards, and back to the same bytes', async () => {
  const weights = name => readFileSync(join(folder, name, 'model.safetensors'));
  await ok(folder, ['convert', fixture('mixtral'), 'fused', '--layout', 'fused', '--shard-size', '300kB']);
  assert.ok(readdirSync(join(folder, 'fused')).filter(name => name.endsWith('.safetensors')).length > 2);
  assert.deepEqual(json(join(folder, 'fused', 'config.json')), json(join(fixture('mixtral'), 'config.json')));
  await ok(folder, ['convert', 'fused', 'back', '--layout', 'per-expert', '--shard-size', '1GB']);
  assert.ok(weights('back').equals(readFileSync(join(fixture('mixtral'), 'model.safetensors'))));

  const { stdout, stderr } = await ok(folder, [
    'convert',
    fixture('gpt_oss_mxfp4'),
    'wide',
    '--dtype',
    'bf16',
  ]);
  assert.match(stdout, /^wide: \d+ files written, /);
  assert.match(stderr, /^model\.safetensors: /m);
  const wide = await inspected(join(folder, 'wide'));
  assert.deepEqual([...new Set(wide.tensors.map(({ dtype }) => dtype))], ['BF16']);
  assert.equal(wide.config.quantization_config, undefined);
  assert.equal(wide.config.torch_dtype, 'bfloat16');
  await ok(folder, ['convert', 'wide', 'narrow', '--dtype', 'mxfp4']);
  assert.ok(weights('narrow').equals(readFileSync(join(fixture('gpt_oss_mxfp4'), 'model.safetensors'))));
});

test('convert takes a run and a checkpoint, and gives a model folder', async () => {
  await ok(folder, ['train', 'tiny.yaml', '--set', 'train.steps=2']);
  await ok(folder, ['convert', join('runs', 'tiny'), 'half', '--dtype', 'bf16']);
  const { tensors, routers } = await inspected(join(folder, 'half'));
  assert.ok(tensors.every(({ name, dtype }) => dtype === (name.includes('.router.state.') ? 'F32' : 'BF16')));
  assert.ok(Object.keys(routers[0].state).includes('price'));
  assert.deepEqual(
    readdirSync(join(folder, 'half')).filter(name => /DONE|manifest|optimizer|state\.json/.test(name)),
    [],
  );
  await ok(folder, ['generate', 'half', '--prompt', 'the', '--tokens', '2', '--backend', 'wasm']);
});

test('convert refuses what it cannot do, and leaves nothing', async () => {
  writeFileSync(join(folder, 'taken'), 'mine');
  cpSync(fixture('mixtral'), join(folder, 'broken'), { recursive: true });
  const file = join(folder, 'broken', 'model.safetensors');
  writeFileSync(file, readFileSync(file).subarray(0, 5000));
  const cases = [
    [['convert', fixture('llama'), 'taken'], 1, /^error FILE_EXISTS: .*Fix: Give another target/m],
    [
      ['convert', fixture('llama'), 'x', '--layout', 'fused'],
      1,
      /^error VALUE: model_type "llama" has one layout/m,
    ],
    [
      ['convert', fixture('llama'), 'x', '--dtype', 'mxfp4'],
      1,
      /^error VALUE: MXFP4 is the form of gpt_oss/m,
    ],
    [['convert', fixture('deepseek_v3_fp8'), 'x', '--layout', 'fused'], 1, /^error VALUE: .*--dtype bf16/m],
    [['convert', 'broken', 'x'], 1, /^error CHECKPOINT_BROKEN: .*model\.safetensors/m],
    [['convert', 'nothing-here', 'x'], 1, /^error FILE_MISSING: /m],
    [['convert', fixture('llama'), 'x', '--dtype', 'f31'], 2, /Allowed choices are keep, f32/],
    [['convert', fixture('llama'), 'x', '--shard-size', 'big'], 2, /It must be a size such as 500MB/],
  ];
  const before = filesIn(folder);
  for (const [args, code, message] of cases) {
    const result = await cli(folder, args);
    assert.equal(result.code, code, `${args.join(' ')}\n${result.stderr}`);
    assert.match(result.stderr, message);
  }
  assert.deepEqual(filesIn(folder), before);
});

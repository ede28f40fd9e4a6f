// The commands around training: config, doctor, inspect, generate, eval and forward.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { validate } from './json-schema.mjs';
import { cli, filesIn, json, ok, root, safetensors, set, workspace } from './support.mjs';

const LLAMA = join(root, 'fixtures', 'hf', 'llama');
const folder = workspace({ after });
const run = join(folder, 'runs', 'tiny');
const WASM = ['--backend', 'wasm'];
before(() => ok(folder, ['train', 'tiny.yaml']));

test('config print, validate and schema', async () => {
  const printed = await ok(folder, ['config', 'print', 'tiny.yaml', ...set('train.steps=7')]);
  assert.match(printed.stdout, /^ {2}steps: 7$/m);
  writeFileSync(join(folder, 'printed.yaml'), printed.stdout);
  assert.equal((await ok(folder, ['config', 'print', 'printed.yaml'])).stdout, printed.stdout);
  assert.match((await ok(folder, ['config', 'validate', 'tiny.yaml'])).stdout, /^tiny\.yaml is valid\.$/m);

  const schema = JSON.parse((await ok(folder, ['config', 'schema'])).stdout);
  assert.equal(schema.$schema, 'https://json-schema.org/draft/2020-12/schema');
  const { parse } = await import('yaml');
  const configs = join(root, 'configs');
  const files = readdirSync(configs)
    .filter(name => /\.(ya?ml|json)$/.test(name))
    .map(name => join(configs, name));
  assert.ok(files.length > 0);
  for (const file of [join(folder, 'tiny.yaml'), join(folder, 'printed.yaml'), ...files]) {
    assert.deepEqual(validate(schema, parse(readFileSync(file, 'utf8'))), [], file);
  }
  const wrong = parse(readFileSync(join(folder, 'tiny.yaml'), 'utf8'));
  wrong.train.stesp = 1;
  wrong.optim.lr = -1;
  assert.deepEqual(validate(schema, wrong).length, 2);
});

test('every configuration of the workspace is valid', async () => {
  const files = readdirSync(join(root, 'configs')).filter(name => name.endsWith('.yaml'));
  const results = await Promise.all(
    files.map(name => cli(root, ['config', 'validate', join('configs', name)])),
  );
  for (const { code, stderr } of results) assert.equal(code, 0, stderr);
});

test('doctor names what is here, what is not and why, each with a fix', async () => {
  const findings = JSON.parse((await ok(folder, ['doctor', '--json'])).stdout);
  const names = findings.map(({ name }) => name);
  for (const name of ['node', 'machine', 'kernels', 'disk', 'tensorflow', 'webgpu', 'wasm', 'cpu'])
    assert.ok(names.includes(name), name);
  for (const finding of findings) assert.ok(finding.ok || finding.fix, `${finding.name} has a fix`);
  assert.ok(findings.find(({ name }) => name === 'wasm').ok);
  const { stdout } = await ok(folder, ['doctor']);
  for (const { name, detail } of findings.filter(({ name }) => name !== 'disk'))
    assert.ok(stdout.includes(name) && stdout.includes(detail), name);
});

test('inspect shows configuration, tensors and router state', async () => {
  const { stdout } = await ok(folder, ['inspect', run]);
  assert.match(stdout, /parameters .* active per token/);
  assert.match(stdout, /router of mixture-of-experts layer 1: spectra/);
  const shown = JSON.parse(
    (await ok(folder, ['inspect', join(run, 'checkpoints', 'step-4'), '--json'])).stdout,
  );
  assert.ok(shown.parameters.active < shown.parameters.total);
  const { parameters } = JSON.parse((await ok(folder, ['inspect', run, '--json'])).stdout);
  assert.ok(parameters.trained > 0 && parameters.trained <= parameters.total);
  assert.equal(shown.config.hidden_size, 16);
  assert.deepEqual(
    shown.routers.map(({ experts, slots }) => [experts, slots]),
    [
      [4, 2],
      [4, 2],
    ],
  );
  const saved = safetensors(join(run, 'checkpoints', 'step-4', 'model.safetensors'));
  for (const { name, shape } of shown.tensors) assert.deepEqual(saved[name].shape, shape);
  const llama = JSON.parse((await ok(folder, ['inspect', LLAMA, '--json'])).stdout);
  assert.equal(llama.parameters.active, llama.parameters.total);
});

test('generate is decided by its seed and shows experts and gates', async () => {
  const generate = async (...args) =>
    (await ok(folder, ['generate', run, '--prompt', 'the sea', '--tokens', '24', ...args])).stdout;
  const [first, again, other] = await Promise.all([
    generate('--json'),
    generate('--json'),
    generate('--json', '--seed', '1'),
  ]);
  assert.equal(first, again);
  assert.notEqual(first, other);
  const { tokens } = JSON.parse(first);
  assert.equal(tokens.length, 'the sea'.length + 24);
  assert.equal(
    tokens
      .filter(token => token.prompt)
      .map(token => token.text)
      .join(''),
    'the sea',
  );
  for (const { experts, gates } of tokens) {
    assert.equal(new Set(experts).size, 2);
    assert.ok(Math.abs(gates[0] + gates[1] - 1) < 1e-5 && gates[0] >= gates[1]);
  }
  assert.ok((await generate('--temperature', '0')).startsWith('the sea'));
  const refused = await cli(folder, ['generate', run, '--layer', '2']);
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /^error USAGE: the model has 2 mixture-of-experts layers/m);
});

test('eval writes results that agree with the run', async () => {
  const { stdout, stderr } = await ok(folder, ['eval', run]);
  assert.match(stdout, /mean loss .*causal rule/);
  const file = readdirSync(run).find(name => /^results_\d{4}-\d\d-\d\dT.*\.json$/.test(name));
  assert.ok(stderr.includes(file));
  const { results, domains, routing } = json(join(run, file));
  const summary = json(join(run, 'summary.json'));
  assert.equal(results.eval_loss, summary.eval_loss);
  assert.equal(results['training_rule/overall/cv'], summary.load_cv);
  assert.deepEqual(
    domains.map(({ domain }) => domain),
    ['words', 'sums'],
  );
  assert.equal(routing.layers.length, 2);

  const elsewhere = join(folder, 'elsewhere');
  const printed = await ok(folder, [
    'eval',
    LLAMA,
    '--config',
    'tiny.yaml',
    '--tokens',
    '32',
    '--out',
    elsewhere,
    '--json',
    ...WASM,
  ]);
  assert.equal(JSON.parse(printed.stdout).domains.length, 2);
  assert.equal(filesIn(elsewhere).length, 1);
  const refused = await cli(folder, ['eval', LLAMA]);
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /^error USAGE: .*--config/m);
});

test('forward on a Hugging Face folder gives the logits and tokens that transformers gives', async () => {
  const out = join(folder, 'llama.safetensors');
  const input = join(LLAMA, 'inputs.json');
  await ok(folder, ['forward', LLAMA, '--input', input, '--out', out, '--generate', '12', ...WASM]);
  const [ours, theirs] = [safetensors(out), safetensors(join(LLAMA, 'expected.safetensors'))];
  assert.deepEqual(Object.keys(ours).sort(), Object.keys(theirs).sort());
  for (const name of Object.keys(ours)) {
    assert.deepEqual([ours[name].dtype, ours[name].shape], [theirs[name].dtype, theirs[name].shape], name);
    const largest = Math.max(...theirs[name].data.map(Math.abs));
    const error = Math.max(...ours[name].data.map((value, i) => Math.abs(value - theirs[name].data[i])));
    assert.ok(error <= (name === 'generated' ? 0 : 3e-5 * largest), `${name} is off by ${error}`);
  }
  const refused = await cli(folder, ['forward', LLAMA, '--input', input, '--out', out, ...WASM]);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /^error FILE_EXISTS: /m);
});

test('forward on a run writes routes, under each balancing rule', async () => {
  const ids = Array.from({ length: 2 }, (_, row) =>
    Array.from({ length: 16 }, (_, i) => 97 + ((i * (row + 3)) % 26)),
  );
  writeFileSync(join(folder, 'in.json'), JSON.stringify({ input_ids: ids }));
  const route = async balance => {
    await ok(folder, [
      'forward',
      run,
      '--input',
      'in.json',
      '--out',
      `${balance}.safetensors`,
      '--balance',
      balance,
    ]);
    return safetensors(join(folder, `${balance}.safetensors`));
  };
  const [batch, potentials, none] = await Promise.all(['batch', 'potentials', 'none'].map(route));
  assert.deepEqual(potentials.logits.shape, [2, 16, 256]);
  for (const layer of [0, 1]) {
    assert.deepEqual(potentials[`layers.${layer}.output`].shape, [2, 16, 16]);
    const shapes = ['indices', 'weights', 'probs'].map(
      name => potentials[`layers.${layer}.router.${name}`].shape,
    );
    assert.deepEqual(shapes, [
      [2, 16, 2],
      [2, 16, 2],
      [2, 16, 4],
    ]);
    const load = ({ [`layers.${layer}.router.indices`]: { data } }) =>
      [0, 1, 2, 3].map(expert => data.filter(found => found === expert).length);
    assert.deepEqual(load(batch), [16, 16, 16, 16], 'the batch rule is a quota');
  }
  assert.notDeepEqual(potentials['layers.1.router.indices'].data, none['layers.1.router.indices'].data);

  const masked = {
    input_ids: ids,
    attention_mask: ids.map((row, r) => row.map((_, i) => (r === 1 && i < 4 ? 0 : 1))),
  };
  writeFileSync(join(folder, 'masked.json'), JSON.stringify(masked));
  await ok(folder, ['forward', run, '--input', 'masked.json', '--out', 'masked.safetensors']);
  const first = tensors => tensors.logits.data.subarray(0, 16 * 256);
  assert.deepEqual(
    first(safetensors(join(folder, 'masked.safetensors'))),
    first(potentials),
    'the other row is as it was',
  );
});

test('forward refuses ids it cannot use, and writes nothing then', async () => {
  const cases = [
    [{ input_ids: [[1, 2], [3]] }, /input_ids: must be 2 rows of 2/],
    [{ input_ids: [[1, 256]] }, /input_ids holds 256, it must be below 256/],
    [{ input_ids: [[1, 2]], attention_mask: [[1]] }, /attention_mask: must be 1 rows of 2/],
    [{ input_ids: [[1, 2]], position_ids: [[0, 64]] }, /position_ids holds 64, it must be below 64/],
    [{ input_ids: [[1]] }, /--generate needs prompt_ids/, '--generate', '2'],
    [{ ids: [[1]] }, /input_ids: /],
  ];
  await Promise.all(
    cases.map(async ([input, message, ...more], i) => {
      writeFileSync(join(folder, `bad-${i}.json`), JSON.stringify(input));
      const { code, stderr } = await cli(folder, [
        'forward',
        run,
        '--input',
        `bad-${i}.json`,
        '--out',
        `bad-${i}.safetensors`,
        ...more,
      ]);
      assert.equal(code, 2, stderr);
      assert.match(stderr, message);
      assert.ok(!existsSync(join(folder, `bad-${i}.safetensors`)));
    }),
  );
});

test('forward leaves no part of a file on a full disk', async () => {
  writeFileSync(
    join(folder, 'one.json'),
    JSON.stringify({ input_ids: [Array.from({ length: 16 }, (_, i) => i)] }),
  );
  const args = ['forward', run, '--input', 'one.json', '--out', 'one.safetensors'];
  const { code, stderr } = await cli(folder, args, { shell: 'ulimit -f 4' });
  assert.equal(code, 1, stderr);
  assert.match(stderr, /^error DISK_FULL: /m);
  assert.ok(!existsSync(join(folder, 'one.safetensors')));
});

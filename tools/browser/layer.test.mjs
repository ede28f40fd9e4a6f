// A headless Chromium trains a tiny layer with the built packages, on WebGPU and on WASM, to Node's losses.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';
import { root, run } from '../lanes/process.mjs';
import { serve } from './server.mjs';

let server;
let browser;
let expected;

before(async () => {
  server = await serve();
  browser = await chromium.launch({
    executablePath: process.env.SPECTRA_CHROMIUM,
    args: [
      '--no-sandbox',
      '--enable-unsafe-webgpu',
      '--use-webgpu-adapter=swiftshader',
      // SwiftShader compiles the zeros of workgroup memory into a store an element; no kernel depends on them
      '--enable-dawn-features=disable_workgroup_init',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--no-first-run',
    ],
  });
  // the same program on the same built packages, in plain Node; it lives where those resolve
  const script = `import { readFileSync, writeFileSync, rmSync } from 'node:fs';
    const file = new URL('./node_modules/.train-layer.mjs', 'file://${join(root, 'apps/trainer')}/');
    writeFileSync(file, readFileSync('${join(root, 'tools/browser/train-layer.js')}'));
    const { trainLayer } = await import(file.href); rmSync(file);
    console.log('LOSSES' + JSON.stringify(await trainLayer('wasm')));`;
  const { code, output } = await run(process.execPath, ['--input-type=module', '-e', script], {
    capture: true,
  });
  assert.equal(code, 0, output);
  expected = JSON.parse(/LOSSES(.*)/.exec(output)[1]);
});
after(async () => {
  await browser?.close();
  server?.close();
});

test('training lowers the loss in Node', () => {
  assert.equal(expected.length, 20);
  assert.ok(expected.at(-1) < expected[0], `${expected[0]} -> ${expected.at(-1)}`);
});

for (const backend of ['wasm', 'webgpu']) {
  test(`${backend} in Chromium gives Node's losses`, { timeout: 300_000 }, async () => {
    const page = await browser.newPage();
    const errors = [];
    page.on('pageerror', error => errors.push(error.message));
    page.on('console', message => message.type() === 'error' && errors.push(message.text()));
    await page.goto(server.url);
    const losses = await page.evaluate(async name => {
      const { trainLayer } = await import('/browser/train-layer.js');
      return trainLayer(name, { wasmPaths: '/wasm/' });
    }, backend);
    assert.equal(losses.length, 20);
    for (const [i, loss] of losses.entries()) {
      assert.ok(Math.abs(loss - expected[i]) <= 1e-4, `step ${i + 1}: ${loss}, in Node ${expected[i]}`);
    }
    assert.deepEqual(errors, []);
    await page.close();
  });
}

import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { workspaceRoot } from '@spectra/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { httpFiles, httpSource } from '../http-source.ts';
import { openModelFiles } from '../model-files.ts';
import { companionFiles } from './companions.ts';
import { isHubId, modelFiles, modelFolder } from './hub.ts';
import { openModel } from './model.ts';

const FIXTURE = join(workspaceRoot(), 'fixtures', 'hf', 'deepseek_v3_fp8');
const SHA = 'a'.repeat(40);
/** What the model has beside the fixture's files. */
const SMALL: Readonly<Record<string, string>> = {
  'tokenizer.json': '{}',
  'chat_template.jinja': 'chat',
  LICENSE: 'licence',
  'LICENCE-MODEL.md': 'licence',
  'NOTICE.txt': 'notice',
  'USE_POLICY.md': 'policy',
  'README.md': 'readme',
  'training_args.json': '{}',
  'requirements.txt': 'other',
  'tokenization_own.py': 'code',
  'tekken.json': '{}',
};

/** A stand-in for the Hub: one model, its listing and its files by range. */
let server: Server;
let endpoint = '';
let cacheDir = '';
let sent = 0;
const requests: string[] = [];
let ranges = true;
beforeEach(async () => {
  cacheDir = await mkdtemp(join(tmpdir(), 'spectra-hub-'));
  requests.length = 0;
  sent = 0;
  ranges = true;
  server = createServer((request, response) => void answer(request, response));
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(async () => {
  await new Promise(resolve => server.close(resolve));
  await rm(cacheDir, { recursive: true });
});

async function contentOf(path: string): Promise<Buffer> {
  const small = SMALL[path];
  return small === undefined ? readFile(join(FIXTURE, path)) : Buffer.from(small);
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { pathname } = new URL(request.url ?? '', endpoint);
  requests.push(pathname);
  const json = (value: unknown): void => {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(value));
  };
  const info = async (path: string) => {
    const bytes = await contentOf(path);
    const oid = createHash('sha1').update(bytes).digest('hex');
    return {
      type: 'file',
      path,
      size: bytes.length,
      oid,
      lastCommit: { id: SHA, title: '', date: '2026-01-01' },
    };
  };
  if (pathname.startsWith('/api/models/org/tiny/revision/') || pathname === '/api/models/org/tiny') {
    return json({
      _id: '1',
      id: 'org/tiny',
      sha: SHA,
      private: false,
      downloads: 0,
      likes: 0,
      gated: false,
      lastModified: '2026-01-01T00:00:00Z',
      tags: [],
    });
  }
  if (pathname.startsWith('/api/models/org/tiny/tree/')) {
    return json([
      { type: 'directory', path: 'onnx', size: 0 },
      ...(await Promise.all([...(await readdir(FIXTURE)), ...Object.keys(SMALL)].map(info))),
    ]);
  }
  if (pathname.startsWith('/api/models/org/tiny/paths-info/')) {
    let body = '';
    for await (const part of request) body += part;
    return json(await Promise.all((JSON.parse(body) as { paths: string[] }).paths.map(info)));
  }
  const file = /^\/org\/tiny\/resolve\/[^/]+\/([^/]+)$/.exec(pathname)?.[1];
  const bytes =
    file === undefined ? undefined : await contentOf(decodeURIComponent(file)).catch(() => undefined);
  if (bytes === undefined) {
    response.writeHead(404, { 'X-Error-Code': 'EntryNotFound' });
    return void response.end();
  }
  const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? [];
  if (from === undefined || !ranges) {
    response.writeHead(200, { etag: '"x"', 'content-length': bytes.length });
    return void response.end(bytes);
  }
  const end = Math.min(bytes.length, to === '' ? bytes.length : Number(to) + 1);
  sent += end - Number(from);
  response.writeHead(206, { etag: '"x"', 'content-range': `bytes ${from}-${end - 1}/${bytes.length}` });
  response.end(bytes.subarray(Number(from), end));
}

describe('a model of the Hub', () => {
  it('is downloaded once, into the cache of the Python library; its weights are read from there', async () => {
    const progress = vi.spyOn(console, 'error').mockImplementation(() => {});
    const folder = await modelFolder('org/tiny', { endpoint, cacheDir });
    expect(progress).toHaveBeenCalled();
    progress.mockRestore();
    expect(folder).toBe(join(cacheDir, 'models--org--tiny', 'snapshots', SHA));
    expect(await readFile(join(cacheDir, 'models--org--tiny', 'refs', 'main'), 'utf8')).toBe(SHA);
    const files = await readdir(folder);
    expect(files).toContain('model-00003-of-00003.safetensors');
    expect(files).toContain('config.json');
    expect(files).not.toContain('expected.safetensors');
    // with what belongs to it, which is what copies of it keep
    const { 'training_args.json': _, 'requirements.txt': __, ...belonging } = SMALL;
    for (const name of Object.keys(SMALL)) expect(files.includes(name), name).toBe(name in belonging);
    const kept = [...Object.keys(belonging), 'generation_config.json'].sort();
    expect(Object.keys(await companionFiles(folder)).sort()).toEqual(kept);
    const [here, there] = [await openModel(folder), await openModel(FIXTURE)];
    expect(here.names()).toEqual(there.names());
    const name = 'model.layers.0.self_attn.kv_a_proj_with_mqa.weight';
    expect((await here.read(name)).data).toEqual((await there.read(name)).data);
    await here.close();
    await there.close();
    requests.length = 0;
    await modelFolder('org/tiny', { endpoint, cacheDir });
    expect(requests.filter(path => path.includes('/resolve/'))).toEqual([]);
    // without a network the cache serves
    await expect(modelFolder('org/tiny', { endpoint: 'http://127.0.0.1:9', cacheDir })).resolves.toBe(folder);
    // but not one that is incomplete
    await rm(join(folder, 'model-00002-of-00003.safetensors'));
    await expect(modelFolder('org/tiny', { endpoint: 'http://127.0.0.1:9', cacheDir })).rejects.toMatchObject(
      {
        code: 'NETWORK',
      },
    );
  });

  it('comes second to a local folder', async () => {
    await mkdir(join(cacheDir, 'org', 'tiny'), { recursive: true });
    const local = join(cacheDir, 'org', 'tiny');
    await expect(modelFolder(local, { endpoint, cacheDir })).resolves.toBe(local);
    expect(requests).toEqual([]);
  });

  it('shows its headers without being downloaded', async () => {
    const store = await openModelFiles(await modelFiles('org/tiny', { endpoint, cacheDir }));
    expect(store.entry('lm_head.weight').shape).toEqual([256, 192]);
    expect(sent).toBeLessThan(3 * 65536 + 1);
    const local = await openModel(FIXTURE);
    expect(store.names()).toEqual(local.names());
    const name = 'model.layers.1.mlp.experts.3.up_proj.weight';
    expect((await store.read(name, { slice: [[3, 9]] })).data).toEqual(
      (await local.read(name, { slice: [[3, 9]] })).data,
    );
    await local.close();
    await store.close();
    expect(await readdir(cacheDir)).toEqual([]);
  });

  it('that cannot be had is an error that says why', async () => {
    const offline = { endpoint: 'http://127.0.0.1:9', cacheDir };
    await expect(modelFolder('org/tiny', offline)).rejects.toMatchObject({
      code: 'NETWORK',
      message: expect.stringMatching(/not in the cache, and http:\/\/127\.0\.0\.1:9 cannot be reached/),
      where: 'org/tiny',
    });
    await expect(modelFolder('org/other', { endpoint, cacheDir })).rejects.toMatchObject({
      code: 'FILE_MISSING',
    });
    for (const name of ['no-such-folder', './org/tiny', 'a/b/c', '/nowhere', 'org/..']) {
      await expect(modelFolder(name, { endpoint, cacheDir }), name).rejects.toMatchObject({
        code: 'FILE_MISSING',
      });
      expect(isHubId(name), name).toBe(false);
    }
  });
});

describe('files of a web server', () => {
  const address = (): string => `${endpoint}/org/tiny/resolve/main/`;
  it('are read by range, missing ones are undefined', async () => {
    const files = httpFiles(address());
    expect(await files.text('nothing.json')).toBeUndefined();
    expect(await files.source('nothing.safetensors')).toBeUndefined();
    const bytes = await readFile(join(FIXTURE, 'model-00001-of-00003.safetensors'));
    const source = (await files.source('model-00001-of-00003.safetensors'))!;
    expect(source.size).toBe(bytes.length);
    const part = new Uint8Array(70_000);
    await source.read(1000, part);
    expect(Buffer.from(part).equals(bytes.subarray(1000, 71_000))).toBe(true);
    await expect(source.read(bytes.length - 1, new Uint8Array(2))).rejects.toMatchObject({
      code: 'CHECKPOINT_BROKEN',
    });
  });

  it('of a server without ranges are not downloaded whole', async () => {
    ranges = false;
    await expect(httpSource(`${address()}model-00001-of-00003.safetensors`)).rejects.toMatchObject({
      code: 'NETWORK',
      message: expect.stringContaining('does not answer range requests'),
    });
  });

  it('that fail for a moment are asked for again; refusals are not', async () => {
    const replies = [503, 503, 200];
    const flaky: typeof fetch = async () => new Response('{}', { status: replies.shift() ?? 200 });
    expect(await httpFiles('http://x/', { fetch: flaky }).text('config.json')).toBe('{}');
    let asked = 0;
    const forbidden: typeof fetch = async () => {
      asked++;
      return new Response('', { status: 403 });
    };
    await expect(httpFiles('http://x/', { fetch: forbidden }).text('a')).rejects.toMatchObject({
      code: 'NETWORK',
    });
    expect(asked).toBe(1);
  });

  it('that send more than asked are refused', async () => {
    const generous: typeof fetch = async () =>
      new Response(new Uint8Array(100_000), {
        status: 206,
        headers: { 'content-range': 'bytes 0-65535/200000' },
      });
    await expect(httpSource('http://x/a', { fetch: generous })).rejects.toMatchObject({
      code: 'CHECKPOINT_BROKEN',
    });
  });
});

/** Files of a web server, read by range requests: headers of a remote model cost kilobytes, not gigabytes. */
import { SpectraError } from '@spectra/tensor';
import type { ByteSource } from './byte-source.ts';
import { broken } from './header.ts';
import { MAX_TEXT_BYTES, type ModelFiles } from './model-files.ts';

export interface HttpOptions {
  /** Sent with every request, e.g. `Authorization`. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly fetch?: typeof fetch;
}

/** The first request fetches this much: most headers lie within it. */
const FIRST_BYTES = 1 << 16;
const ATTEMPTS = 3;
const PAUSE_MS = 300;

/** The files below an address, e.g. `https://huggingface.co/ORG/NAME/resolve/main/`. */
export function httpFiles(address: string, options: HttpOptions = {}): ModelFiles {
  const base = address.endsWith('/') ? address : `${address}/`;
  const url = (file: string): string => base + encodeURIComponent(file);
  return {
    name: base,
    source: file => httpSource(url(file), options),
    async text(file) {
      const response = await request(url(file), {}, options);
      if (response === undefined) return undefined;
      return new TextDecoder().decode(await limitedBody(response, MAX_TEXT_BYTES, url(file)));
    },
  };
}

/**
 * A file at an address; undefined if it is not there. `NETWORK` if the server cannot be reached, refuses, or does not
 * answer range requests.
 */
export async function httpSource(url: string, options: HttpOptions = {}): Promise<ByteSource | undefined> {
  const first = await request(url, { range: `bytes=0-${FIRST_BYTES - 1}` }, options);
  if (first === undefined) return undefined;
  const size = await totalSize(first, url);
  const head = await limitedBody(first, FIRST_BYTES, url);
  return {
    name: url,
    size,
    async read(offset, into) {
      if (offset < 0 || offset + into.byteLength > size) {
        throw broken(`bytes ${offset} to ${offset + into.byteLength} were asked of ${size}.`, url);
      }
      if (into.byteLength === 0) return;
      if (offset + into.byteLength <= head.byteLength) {
        into.set(head.subarray(offset, offset + into.byteLength));
        return;
      }
      const range = `bytes=${offset}-${offset + into.byteLength - 1}`;
      const response = await request(url, { range }, options);
      if (response === undefined) throw broken('it is gone from the server.', url);
      if ((await totalSize(response, url)) !== size)
        throw broken('it changed on the server while open.', url);
      const bytes = await limitedBody(response, into.byteLength, url);
      if (bytes.byteLength !== into.byteLength) {
        throw broken(`the server sent ${bytes.byteLength} of ${into.byteLength} bytes.`, url);
      }
      into.set(bytes);
    },
    async close() {},
  };
}

/** The whole file's size from an answer to a range request. */
async function totalSize(response: Response, url: string): Promise<number> {
  const total = /^bytes \d+-\d+\/(\d+)$/.exec(response.headers.get('content-range') ?? '')?.[1];
  if (response.status === 206 && total !== undefined) return Number(total);
  await response.body?.cancel();
  // an empty file has no range to send
  if (response.status === 416) return 0;
  throw network(
    url,
    'the server does not answer range requests',
    'Download the model, then give its folder.',
  );
}

/** Undefined for a file that is not there. */
async function request(
  url: string,
  headers: Readonly<Record<string, string>>,
  options: HttpOptions,
): Promise<Response | undefined> {
  const get = options.fetch ?? fetch;
  for (let attempt = 1; ; attempt++) {
    let problem: string;
    let cause: unknown;
    try {
      const response = await get(url, { headers: { ...options.headers, ...headers } });
      if (response.ok || response.status === 416) return response;
      await response.body?.cancel();
      if (response.status === 404) return undefined;
      problem = `the server answered ${response.status}`;
      if (response.status < 500 && response.status !== 429) {
        throw network(url, problem, 'Check the address; a private model needs a token in HF_TOKEN.');
      }
    } catch (error) {
      if (error instanceof SpectraError) throw error;
      problem = `the server cannot be reached (${reason(error)})`;
      cause = error;
    }
    if (attempt === ATTEMPTS) {
      throw network(url, problem, 'Check the network, or download the model and give its folder.', cause);
    }
    await new Promise(resolve => setTimeout(resolve, PAUSE_MS * attempt));
  }
}

/** A body of at most `limit` bytes; whatever a server sends beyond is not kept. */
async function limitedBody(response: Response, limit: number, url: string): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  const reader = response.body?.getReader();
  try {
    // not `for await`: browsers cannot iterate a stream yet
    for (let part = await reader?.read(); part?.value !== undefined; part = await reader?.read()) {
      size += part.value.byteLength;
      if (size > limit) throw broken(`the server sent more than the ${limit} bytes asked for.`, url);
      parts.push(part.value);
    }
  } catch (error) {
    await reader?.cancel().catch(() => {}); // the connection may be gone already
    if (error instanceof SpectraError) throw error;
    throw network(url, `the connection broke (${reason(error)})`, 'Try again.', error);
  }
  const all = new Uint8Array(size);
  let position = 0;
  for (const part of parts) {
    all.set(part, position);
    position += part.byteLength;
  }
  return all;
}

/** What the operating system said, or the error itself. */
export function reason(error: unknown): string {
  const { cause, message } = error as { cause?: { code?: string }; message?: string };
  return cause?.code ?? message ?? String(error);
}

export function network(where: string, problem: string, fix: string, cause?: unknown): SpectraError {
  return new SpectraError('NETWORK', {
    message: `${problem}.`,
    where,
    fix,
    ...(cause === undefined ? {} : { cause }),
  });
}

/** Models of the Hugging Face Hub by their ids: the local folder first, then the Hub's cache, then a download. */
import { access, mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { SpectraError } from '@spectra/tensor';
import { httpFiles, network, reason } from '../http-source.ts';
import { type ModelFiles, openModelFiles } from '../model-files.ts';
import { isPlainFileName, parseShardIndex } from '../sharded.ts';
import { isCompanionFile } from './companions.ts';
import { folderFiles } from './model.ts';

export interface HubOptions {
  /** Branch, tag or commit; `main` by default. */
  readonly revision?: string;
  /** `HF_ENDPOINT`, else `https://huggingface.co`. */
  readonly endpoint?: string;
  /** The cache's folder, laid out as the Python library's; `HF_HUB_CACHE` and `HF_HOME` count by default. */
  readonly cacheDir?: string;
  /** `HF_TOKEN` by default. */
  readonly accessToken?: string;
}

const INDEX = 'model.safetensors.index.json';

/** Whether `name` has the form `org/name`. */
export function isHubId(name: string): boolean {
  return /^[\w-][\w.-]*\/[\w-][\w.-]*$/.test(name);
}

/**
 * The local folder of a model: `name` itself if it is there, else the Hub's model of that id, downloaded into the cache
 * unless it holds all of it. Without a network a complete cached revision is used. Errors: `FILE_MISSING` if neither is
 * there, `NETWORK` if the Hub cannot be reached and the cache does not have it.
 */
export async function modelFolder(name: string, options: HubOptions = {}): Promise<string> {
  if (await isThere(name)) return name;
  requireId(name);
  const hub = await import('@huggingface/hub');
  const { revision, endpoint, accessToken } = settings(options);
  const cacheDir = options.cacheDir ?? hub.getHFHubCachePath();
  const repo = { type: 'model', name } as const;
  const cache = join(cacheDir, hub.getRepoFolderName(repo));
  const server = { hubUrl: endpoint, ...(accessToken === undefined ? {} : { accessToken }) };
  // the library reports downloads by console.debug, which is standard output: that belongs to the program's data
  const { debug } = console;
  console.debug = (...words) => console.error(...words);
  try {
    const { sha } = await hub.modelInfo({ name, revision, additionalFields: ['sha'], ...server });
    const fetchFile = (path: string): Promise<string> =>
      hub.downloadFileToCacheDir({ repo, path, revision: sha, cacheDir, ...server });
    const listed: string[] = [];
    for await (const { type, path } of hub.listFiles({ repo, revision: sha, ...server })) {
      if (type === 'file' && isPlainFileName(path)) listed.push(path);
    }
    for (const path of listed) {
      if (path === 'config.json' || path === INDEX || isCompanionFile(path)) await fetchFile(path);
    }
    const snapshot = join(cache, 'snapshots', sha);
    for (const path of await weightFiles(folderFiles(snapshot), listed)) await fetchFile(path);
    await noteRevision(cache, revision, sha);
    return snapshot;
  } catch (error) {
    const snapshot = await cachedSnapshot(cache, revision);
    if (snapshot !== undefined) return snapshot;
    throw hubError(error, name, endpoint);
  } finally {
    console.debug = debug;
  }
}

/**
 * The files of a model without downloading it: a local folder, a cached one, an address that starts with `http`, or a
 * model of the Hub, which is read by range requests.
 */
export async function modelFiles(name: string, options: HubOptions = {}): Promise<ModelFiles> {
  if (await isThere(name)) return folderFiles(name);
  const { revision, endpoint, accessToken } = settings(options);
  if (/^https?:\/\//.test(name)) return httpFiles(name);
  requireId(name);
  const hub = await import('@huggingface/hub');
  const cache = join(
    options.cacheDir ?? hub.getHFHubCachePath(),
    hub.getRepoFolderName({ type: 'model', name }),
  );
  const snapshot = await cachedSnapshot(cache, revision);
  if (snapshot !== undefined) return folderFiles(snapshot);
  const headers = accessToken === undefined ? {} : { authorization: `Bearer ${accessToken}` };
  return httpFiles(`${endpoint}/${name}/resolve/${encodeURIComponent(revision)}/`, { headers });
}

function settings(options: HubOptions): {
  revision: string;
  endpoint: string;
  accessToken: string | undefined;
} {
  return {
    revision: options.revision ?? 'main',
    endpoint: (options.endpoint ?? process.env.HF_ENDPOINT ?? 'https://huggingface.co').replace(/\/$/, ''),
    accessToken: options.accessToken ?? process.env.HF_TOKEN,
  };
}

/** The weights among the files of a repository: those its index names, else the single file. */
async function weightFiles(files: ModelFiles, listed: readonly string[]): Promise<string[]> {
  const json = await files.text(INDEX);
  if (json !== undefined) {
    return [...new Set(Object.values(parseShardIndex(json, join(files.name, INDEX)).weight_map))].sort();
  }
  return listed.filter(path => path === 'model.safetensors');
}

/** The cached revision, if its weights are all there. */
async function cachedSnapshot(cache: string, revision: string): Promise<string | undefined> {
  const commit = /^[0-9a-f]{40}$/.test(revision)
    ? revision
    : await readFile(join(cache, 'refs', revision), 'utf8').catch(() => undefined);
  if (commit === undefined) return undefined;
  const snapshot = join(cache, 'snapshots', commit.trim());
  try {
    const store = await openModelFiles(folderFiles(snapshot));
    await store.close();
    return snapshot;
  } catch {
    return undefined; // incomplete: as good as not there
  }
}

async function noteRevision(cache: string, revision: string, commit: string): Promise<void> {
  if (revision === commit) return;
  const path = join(cache, 'refs', revision);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, commit);
}

function requireId(name: string): void {
  if (isHubId(name)) return;
  throw new SpectraError('FILE_MISSING', {
    message: 'there is no such folder, and it is not the id of a model on the Hub (org/name).',
    where: name,
    fix: 'Check the path.',
  });
}

function hubError(error: unknown, name: string, endpoint: string): SpectraError {
  if (error instanceof SpectraError) return error;
  const { statusCode } = error as { statusCode?: number };
  if (statusCode === 401 || statusCode === 404) {
    return new SpectraError('FILE_MISSING', {
      message: `there is no such folder, and ${endpoint} has no such model or does not show it.`,
      where: name,
      fix: 'Check the name; a private model needs a token in HF_TOKEN.',
      cause: error,
    });
  }
  return network(
    name,
    `there is no such folder, it is not in the cache, and ${endpoint} cannot be reached (${reason(error)})`,
    'Check the network, or download the model on another machine and give its folder.',
    error,
  );
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

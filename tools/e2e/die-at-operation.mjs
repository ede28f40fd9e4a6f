// Loaded into a program by `node --import`: kills it, as a power cut would, at one of its operations on files below a
// folder. SPECTRA_TEST_BELOW names the folder's path or its beginning. SPECTRA_TEST_DIE is the operation's number, from 1:
// a write is cut in the middle, any other does not happen. SPECTRA_TEST_COUNT names a file that gets the number of all.
import { appendFileSync, promises } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

const { SPECTRA_TEST_BELOW: below, SPECTRA_TEST_DIE: wanted, SPECTRA_TEST_COUNT: counter } = process.env;
let operations = 0;

/** Counts an operation, and ends the process if it is its turn, after `half` of it. */
async function meet(paths, half) {
  if (!paths.some(path => String(path).startsWith(below))) return;
  operations++;
  if (operations !== Number(wanted)) return;
  await half?.();
  process.kill(process.pid, 'SIGKILL');
  await new Promise(() => {}); // the signal comes
}

const NAMES = ['rename', 'mkdir', 'rm', 'rmdir', 'link', 'symlink', 'copyFile', 'appendFile', 'writeFile'];
for (const name of NAMES) {
  const original = promises[name];
  promises[name] = async (...args) => {
    await meet(args.slice(0, 2));
    return original(...args);
  };
}

const { open } = promises;
promises.open = async (path, flags, ...rest) => {
  if (flags !== 'r') await meet([path]);
  const handle = await open(path, flags, ...rest);
  const [write, writeFile, sync] = ['write', 'writeFile', 'sync'].map(name => handle[name].bind(handle));
  handle.write = async (bytes, offset = 0, length = bytes.byteLength - offset, ...more) => {
    await meet([path], () => write(bytes, offset, Math.floor(length / 2), ...more));
    return write(bytes, offset, length, ...more);
  };
  handle.writeFile = async text => {
    await meet([path], () => writeFile(text.slice(0, text.length / 2)));
    return writeFile(text);
  };
  handle.sync = async () => {
    await meet([path]);
    return sync();
  };
  return handle;
};
syncBuiltinESMExports();

process.on('exit', () => {
  if (counter !== undefined) appendFileSync(counter, `${operations}\n`);
});

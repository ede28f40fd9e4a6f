// Loaded into the program by `node --import`: kills it, as a power cut would, at one moment of writing a checkpoint.
// SPECTRA_TEST_DIE is `write FILE of FOLDER` or `rename FOLDER`.
import { promises } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

const wanted = process.env.SPECTRA_TEST_DIE;
const die = () => process.kill(process.pid, 'SIGKILL');
const { open, rename } = promises;
promises.open = async (path, ...rest) => {
  const handle = await open(path, ...rest);
  const [folder, file] = String(path).split(/[\\/]/).slice(-2);
  if (folder.startsWith('.tmp-') && `write ${file} of ${folder.split('-').slice(-2).join('-')}` === wanted) {
    await handle.write(Buffer.alloc(100));
    die();
  }
  return handle;
};
promises.rename = (from, to) =>
  `rename ${String(to).split(/[\\/]/).at(-1)}` === wanted ? die() : rename(from, to);
syncBuiltinESMExports();

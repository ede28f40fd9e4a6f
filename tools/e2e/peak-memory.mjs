// Loaded into a program by `node --import`: writes the peak of its resident bytes to SPECTRA_TEST_PEAK when it ends.
import { readFileSync, writeFileSync } from 'node:fs';

process.on('exit', () => {
  // not ru_maxrss, which counts what the parent held when it forked
  const [, kilobytes] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'));
  writeFileSync(process.env.SPECTRA_TEST_PEAK, String(1024 * Number(kilobytes)));
});

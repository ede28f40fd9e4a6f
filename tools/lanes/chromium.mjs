import { existsSync } from 'node:fs';

/** Path of a Chromium to test with: SPECTRA_CHROMIUM or one of the usual places. */
export function findChromium() {
  const usual = [
    '/usr/bin/chromium',
    '/usr/bin/chromium-browser',
    '/usr/bin/google-chrome',
    '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  ];
  return [process.env.SPECTRA_CHROMIUM, ...usual].find(path => path !== undefined && existsSync(path));
}

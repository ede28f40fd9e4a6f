/** Files and installed packages of Node: `@spectra/data/node`. */
export * from './index.ts';
export { brownText } from './node/brown.ts';
export { openChatCorpus } from './node/chat-corpus.ts';
export { factbookText } from './node/factbook.ts';
export * from './node/load-tokenizer.ts';
export * from './node/open-corpus.ts';
export * from './node/open-data.ts';

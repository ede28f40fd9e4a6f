export * from './backend.ts';
export * from './close.ts';
export * from './fixture.ts';
export * from './gradients.ts';
export * from './leaks.ts';
export * from './tiny-chat.ts';

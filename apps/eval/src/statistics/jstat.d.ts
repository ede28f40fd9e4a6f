/** The part of jStat that is used here; the package ships no types. */
declare module 'jstat' {
  interface Distribution {
    cdf(x: number, ...parameters: number[]): number;
  }
  const jStat: { readonly studentt: Distribution; readonly normal: Distribution };
  // biome-ignore lint/style/noDefaultExport: the form in which the package has it
  export default jStat;
}

/** Where a run's metrics go. */

/** One row of metrics. A value that is null, or not finite, does not exist. */
export type MetricRecord = { readonly step: number } & Readonly<
  Record<string, number | string | boolean | null>
>;

export interface MetricSink {
  /** Returns once the row is handed to the operating system. */
  write(record: MetricRecord): void;
  /** Nothing may be written afterwards; closing twice does nothing. */
  close(): void;
}

/** One sink that writes to all of `sinks`. */
export function teeSink(sinks: readonly MetricSink[]): MetricSink {
  return {
    write(record) {
      for (const sink of sinks) sink.write(record);
    },
    close() {
      for (const sink of sinks) sink.close();
    },
  };
}

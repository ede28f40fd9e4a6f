/** What needs Node: sinks that write files, the report's renderer and terminal output. */
export { renderReport } from './report/render-report.ts';
export type {
  Curve,
  ExpertKeywords,
  LoadHistory,
  ResultTable,
  RuleMetrics,
  RunReport,
  SummaryCard,
  TokenSample,
} from './report/run-report.ts';
export { type ConsoleOptions, ConsoleSink, type ConsoleStream } from './sinks/console.ts';
export { type JsonlOptions, JsonlSink, readJsonl } from './sinks/jsonl.ts';
export { type MetricRecord, type MetricSink, teeSink } from './sinks/sink.ts';
export { type TensorBoardOptions, TensorBoardSink, tensorBoardTag } from './sinks/tensorboard.ts';
export { wantsColour } from './terminal/colour.ts';
export { type Cell, type FormatTableOptions, formatCell, formatTable } from './terminal/format-table.ts';
export { type ExpertToken, type RenderTokensOptions, renderTokens } from './terminal/render-tokens.ts';

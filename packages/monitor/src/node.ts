/** What needs Node: sinks that write files, the report's renderer and terminal output. */
export { Html, html } from './report/html.ts';
export { type Page, renderPage, type Section } from './report/page.ts';
export { colourOf, colourVariables, dashOf } from './report/palette.ts';
export {
  FULL,
  formatStep,
  HALF,
  legend,
  linePlot,
  loadPlot,
  plotFigure,
  type Series,
  type Size,
  stepTicks,
} from './report/plots.ts';
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
export { type Column, type TableCell, type TableOptions, table } from './report/tables.ts';
export { tokenView } from './report/token-view.ts';
export { type ConsoleOptions, ConsoleSink, type ConsoleStream } from './sinks/console.ts';
export { type JsonlOptions, JsonlSink, readJsonl } from './sinks/jsonl.ts';
export { type MetricRecord, type MetricSink, teeSink } from './sinks/sink.ts';
export { type TensorBoardOptions, TensorBoardSink, tensorBoardTag } from './sinks/tensorboard.ts';
export { wantsColour } from './terminal/colour.ts';
export { type Cell, type FormatTableOptions, formatCell, formatTable } from './terminal/format-table.ts';
export { type ExpertToken, type RenderTokensOptions, renderTokens } from './terminal/render-tokens.ts';

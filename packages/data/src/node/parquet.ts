/** Rows of a Parquet file, one row group after another. */
import { type FileMetaData, parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { corpusInvalid } from './files.ts';
import type { FileRow } from './json-lines.ts';
import { openParquet } from './parquet-file.ts';

/** The texts of a column. */
export async function* parquetTexts(path: string, column: string): AsyncIterable<string> {
  const rows = parquetRows(path, columns => {
    if (columns.includes(column)) return [column];
    throw corpusInvalid(
      `it has no column "${column}".`,
      path,
      `Set text_key to one of its columns: ${columns.join(', ')}.`,
    );
  });
  for await (const { value, where } of rows) {
    const text = value[column];
    if (typeof text !== 'string')
      throw corpusInvalid(`it holds no text in "${column}".`, where, 'Name a column of strings.');
    yield text;
  }
}

/** The rows with those of the file's columns that `choose` picks. */
export async function* parquetRows(
  path: string,
  choose: (columns: readonly string[]) => readonly string[],
): AsyncIterable<FileRow> {
  const file = await openParquet(path);
  try {
    const metadata = await attempt(path, () => parquetMetadataAsync(file));
    const columns = [...choose(columnsOf(metadata))];
    let row = 0;
    for (const { num_rows: count } of metadata.row_groups) {
      const rowEnd = row + Number(count);
      const options = { file, metadata, compressors, columns, rowStart: row, rowEnd };
      for (const value of await attempt(path, () => parquetReadObjects(options))) {
        yield { value, where: `${path}, row ${row}` };
        row++;
      }
    }
  } finally {
    await file.close();
  }
}

/** Names of the columns themselves, not of what nested ones hold. */
function columnsOf({ schema }: FileMetaData): string[] {
  const names: string[] = [];
  const subtree = (at: number): number => {
    let end = at + 1;
    for (let i = 0; i < (schema[at]!.num_children ?? 0); i++) end = subtree(end);
    return end;
  };
  for (let at = 1; at < schema.length; at = subtree(at)) names.push(schema[at]!.name);
  return names;
}

async function attempt<T>(path: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (cause) {
    throw corpusInvalid(
      `it is not a Parquet file that can be read: ${(cause as Error).message}.`,
      path,
      'Check that it is whole.',
      cause,
    );
  }
}

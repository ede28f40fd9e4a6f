/** Texts of a column of a Parquet file, one row group after another. */
import { parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { corpusInvalid } from './files.ts';
import { openParquet } from './parquet-file.ts';

export async function* parquetTexts(path: string, column: string): AsyncIterable<string> {
  const file = await openParquet(path);
  try {
    const metadata = await attempt(path, () => parquetMetadataAsync(file));
    const columns = metadata.schema.slice(1).map(({ name }) => name);
    if (!columns.includes(column)) {
      throw corpusInvalid(
        `it has no column "${column}".`,
        path,
        `Set text_key to one of its columns: ${columns.join(', ')}.`,
      );
    }
    let row = 0;
    for (const { num_rows: count } of metadata.row_groups) {
      const rowEnd = row + Number(count);
      const options = { file, metadata, compressors, columns: [column], rowStart: row, rowEnd };
      for (const record of await attempt(path, () => parquetReadObjects(options))) {
        const text: unknown = record[column];
        if (typeof text !== 'string') {
          throw corpusInvalid(`row ${row} holds no text in "${column}".`, path, 'Name a column of strings.');
        }
        yield text;
        row++;
      }
    }
  } finally {
    await file.close();
  }
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

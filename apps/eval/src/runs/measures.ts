/** What is asked of a trained model beyond its evaluation; a row keeps the answers with the question's key. */
import { createHash } from 'node:crypto';

export type MeasureRequest =
  | { readonly name: 'lengths'; readonly lengths: readonly number[] }
  | { readonly name: 'texts'; readonly texts: readonly { readonly title: string; readonly text: string }[] }
  | { readonly name: 'tasks'; readonly tasks: readonly string[] };

export type MeasureName = MeasureRequest['name'];

/** Equal for equal questions. */
export function requestKey(request: MeasureRequest): string {
  return createHash('sha256').update(JSON.stringify(request)).digest('hex').slice(0, 12);
}

/** Those that a row does not answer yet. */
export function missingMeasures(
  wanted: readonly MeasureRequest[],
  answered: Readonly<Partial<Record<MeasureName, { readonly key: string }>>>,
): MeasureRequest[] {
  return wanted.filter(request => answered[request.name]?.key !== requestKey(request));
}

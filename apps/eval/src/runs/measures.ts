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

/** An answer with its question's key; beside it what other suites that share the run asked under the same name. */
export interface Answered<T> {
  readonly key: string;
  readonly value: T;
  readonly others?: readonly { readonly key: string; readonly value: T }[];
}

type Answers = Readonly<Partial<Record<MeasureName, Answered<unknown>>>>;

/** Undefined where the question was not asked of this model. */
export function answerTo<T>(request: MeasureRequest, answered: Answered<T> | undefined): T | undefined {
  if (answered === undefined) return undefined;
  const key = requestKey(request);
  return [answered, ...(answered.others ?? [])].find(answer => answer.key === key)?.value;
}

/** Those that a row does not answer yet. */
export function missingMeasures(wanted: readonly MeasureRequest[], answers: Answers): MeasureRequest[] {
  return wanted.filter(request => answerTo(request, answers[request.name]) === undefined);
}

/** New answers, and those of the row that they replace to other questions. */
export function withOthers<A extends Answers>(found: A, before: A): A {
  const kept = Object.entries(before).map(([name, answered]) => {
    const answer = found[name as MeasureName];
    if (answer === undefined) return [name, answered];
    const { others: older = [], ...last } = answered;
    const others = [last, ...older].filter(({ key }) => key !== answer.key);
    return [name, others.length === 0 ? answer : { ...answer, others }];
  });
  return { ...found, ...Object.fromEntries(kept) };
}

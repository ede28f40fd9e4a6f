/** Whether the model can go on from the prompts of `sample`, before anything is trained. */
import type { Tokenizer } from '@spectra/data';
import { SpectraError } from '@spectra/tensor';
import type { DecoderModel } from '@spectra/transformer';
import type { TrainerConfig } from '../config/schema.ts';
import { promptIds } from '../evaluation/sample.ts';

/** `CONFIG_INVALID` for a prompt of more tokens than there are learned positions. */
export function checkPrompts(
  { sample }: Pick<TrainerConfig, 'sample'>,
  tokenizer: Tokenizer,
  model: DecoderModel,
): void {
  const most = model.learnedPositions ?? Number.POSITIVE_INFINITY;
  for (const [i, prompt] of sample.prompts.entries()) {
    const { length } = promptIds(tokenizer, prompt);
    if (length <= most) continue;
    throw new SpectraError('CONFIG_INVALID', {
      message: `it has ${length} tokens, the model ${most} positions.`,
      where: `sample.prompts.${i}`,
      fix: 'Shorten it, or raise model.max_position_embeddings.',
    });
  }
}

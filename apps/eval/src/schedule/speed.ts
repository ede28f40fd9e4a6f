/** How fast a configuration trains here, by a few real steps. */
import { setBackend } from '@spectra/tensor';
import { openTrainingData, Trainer, type TrainerConfig } from '@spectra/trainer';

const STEPS = 3;

/** Tokens per second after one step that also compiles. */
export async function measureSpeed(config: TrainerConfig): Promise<number> {
  await setBackend(config.backend);
  const data = await openTrainingData(config);
  const trainer = await Trainer.create(config, data.stream);
  try {
    await trainer.trainStep();
    let tokens = 0;
    const began = performance.now();
    for (let i = 0; i < STEPS; i++) tokens += (await trainer.trainStep()).tokens;
    return tokens / ((performance.now() - began) / 1000);
  } finally {
    await trainer.dispose();
  }
}

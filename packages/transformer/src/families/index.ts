/** Every family that this package knows. */
import type { Family } from '../family.ts';
import { deepseekV3, kimiK2 } from './deepseek-v3.ts';
import { gemma3 } from './gemma3.ts';
import { glm4Moe } from './glm4-moe.ts';
import { gptOss } from './gpt-oss.ts';
import { gpt2 } from './gpt2.ts';
import { llama } from './llama.ts';
import { minimaxM2 } from './minimax-m2.ts';
import { mistral } from './mistral.ts';
import { mixtral } from './mixtral.ts';
import { olmoe } from './olmoe.ts';
import { phi3 } from './phi3.ts';
import { qwen2 } from './qwen2.ts';
import { qwen2Moe } from './qwen2-moe.ts';
import { qwen3 } from './qwen3.ts';
import { qwen3Moe } from './qwen3-moe.ts';
import { spectra } from './spectra.ts';

export const FAMILIES: readonly Family[] = [
  spectra,
  llama,
  mistral,
  qwen2,
  qwen3,
  gemma3,
  phi3,
  gpt2,
  mixtral,
  qwen2Moe,
  qwen3Moe,
  olmoe,
  deepseekV3,
  kimiK2,
  glm4Moe,
  minimaxM2,
  gptOss,
];

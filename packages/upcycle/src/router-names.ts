/** The tensors of routers in files, by the names that the families and we give them. */

const ROUTER =
  /^model\.layers\.(\d+)\.(?:mlp|block_sparse_moe)\.(?:(?:gate|router)\.(?:weight|bias|e_score_correction_bias)|e_score_correction_bias|router\..+)$/;

/** The layer whose router a tensor belongs to; −1 for one that all layers share; undefined for any other tensor. */
export function routerLayer(name: string): number | undefined {
  if (name.startsWith('model.router.')) return -1;
  const found = ROUTER.exec(name);
  return found === null ? undefined : Number(found[1]);
}

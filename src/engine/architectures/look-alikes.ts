/**
 * Networks of timm whose state dicts fit a known model's builder and which compute something else that cannot be built.
 * Those that can be built are models of their own.
 */

const BY_MODEL: Readonly<Record<string, readonly string[]>> = {
  efficientnet_b1: ['efficientnet_b1_pruned'],
  efficientnet_b2: ['efficientnet_b2_pruned'],
  efficientnet_b3: ['efficientnet_b3_pruned'],
};

/** Names of networks that cannot be told from this model by their tensors. */
export const lookAlikes = (model: string): readonly string[] => BY_MODEL[model] ?? [];

/** The look-alike that a text, such as a file name, names, and the model that it would be taken for. */
export function lookAlikeNamedIn(text: string): { readonly name: string; readonly of: string } | undefined {
  for (const [of, names] of Object.entries(BY_MODEL)) {
    const name = names.find((candidate) => text.includes(candidate));
    if (name) return { name, of };
  }
  return undefined;
}

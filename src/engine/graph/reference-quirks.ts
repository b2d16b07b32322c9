/**
 * What the paper's programs do otherwise than the method would have it, by the classes and families where they do. Figures that are compared
 * with the paper's need it; no other place of the engine names a class.
 */

/** The counter looks a module's class up in a table, so that a subclass counts nothing. */
export const UNCOUNTED_MODULES: ReadonlySet<string> = new Set(['LayerNorm2d', 'BatchNormAct2d', 'FastAdaptiveAvgPool']);

/**
 * Attention that the counter counts as a whole, from its width before pruning's projection: the projection counts as if it were square
 * (`macs`; `macsTrue` has its real width).
 */
export const ATTENTION_MODULES: ReadonlySet<string> = new Set(['Attention', 'WindowAttention']);

/** Modules that the pruner prunes by a function of its own, as a whole, which its importance does not know. */
export const UNSCORED_MODULES: ReadonlySet<string> = new Set(['PatchMerging']);

/** Share of heads and head dims that goes for each share of the widths. */
export interface AttentionProportions {
  readonly heads: number;
  /** Undefined: head dims are ranked like other channels. */
  readonly headDims?: number;
}

/** The paper prunes half of DeiT-Base's widths and heads and a quarter of its head dims. */
const DEIT_PROPORTIONS: AttentionProportions = { heads: 1, headDims: 0.5 };
/** Swin keeps its heads there, whose number its position tables fix, and its head dims go like any channel. */
const PROPORTIONS: Readonly<Record<string, AttentionProportions>> = { swin: { heads: 0 } };

/** In which proportions the paper prunes a family's attention. */
export const attentionProportions = (family: string): AttentionProportions => PROPORTIONS[family] ?? DEIT_PROPORTIONS;

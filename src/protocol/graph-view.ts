/**
 * What the worker computes for drawing a model: plain JSON, figures only, never weights.
 *
 * Nodes, modules, groups and scopes are referred to by their position in the arrays here.
 */

import type { PlanTime } from './latency-values.ts';
import type { SensitivitySettings } from './sensitivity-values.ts';
import type { CostFigures } from './values.ts';

export interface GraphView {
  /** Model name: `resnet50`. */
  readonly name: string;
  readonly family: string;
  readonly classes: number;
  /** [channels, height, width] of an image. */
  readonly input: readonly [number, number, number];
  /** In an order in which every node comes after its inputs. */
  readonly nodes: readonly GraphViewNode[];
  /** The module tree; modules[0] is the root with path ''. A parent stands before its children. */
  readonly modules: readonly GraphViewModule[];
  /** Indices of the nodes that give the network's outputs: the logits of a classifier. */
  readonly outputs: readonly number[];
  readonly cost: CostFigures;
}

export interface GraphViewModule {
  readonly path: string;
  /** PyTorch class: `Bottleneck`; '' where the Graph names none. */
  readonly type: string;
  /** Index of the module that holds it; −1 for the root. */
  readonly parent: number;
}

export interface GraphViewNode {
  /** The Graph's id: `layer1.0.conv1`. */
  readonly id: string;
  /** Operation kind: `conv`. */
  readonly kind: string;
  /** Type for a person: `conv 3×3`, `ReLU`, `attention product`. */
  readonly label: string;
  /** Index of the module in which it is drawn. */
  readonly module: number;
  /** Indices of the nodes whose values it reads. */
  readonly inputs: readonly number[];
  /** Attributes as text, in order. */
  readonly attributes: readonly (readonly [name: string, value: string])[];
  /** Shape of its value; −k is k times the batch size. */
  readonly shape: readonly number[];
  /** Channels of its value (heads × head_dim inside attention); 0 where it has none. */
  readonly width: number;
  /** Channels that its weight reads; 0 for a node without input channels. */
  readonly inWidth: number;
  readonly parameters: readonly ParameterView[];
  /** MACs of one image by the paper's counter. */
  readonly macs: number;
  readonly params: number;
}

export interface ParameterView {
  /** `weight`, `bias`, `runningMean`, … */
  readonly role: string;
  /** State-dict name. */
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly trainable: boolean;
}

/** Figures of one parameter's values, computed when the inspector asks for them. */
export interface ParameterStatistics {
  readonly name: string;
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  readonly std: number;
  /** Share of exact zeros, 0 … 1. */
  readonly zeros: number;
}

/** What the inspector asks for when a layer is selected. */
export interface NodeDetails {
  /** By parameter in the node's order; empty when the file has no weights. */
  readonly statistics: readonly ParameterStatistics[];
}

export type Side = 'out' | 'in';

export interface GroupMemberView {
  readonly node: number;
  readonly side: Side;
  /** Channels of this node that belong to the group. */
  readonly channels: number;
}

/** Channels that can only go together. */
export interface GroupView {
  /** Name for a person: `layer1.0.conv1.out`. */
  readonly name: string;
  /** Index of its scope; −1 when it cannot be pruned. */
  readonly scope: number;
  /** Channels (or heads) that can be chosen from. */
  readonly channels: number;
  /** Groups of a grouped convolution or heads that lose the same channels; 1 otherwise. */
  readonly channelGroups: number;
  readonly members: readonly GroupMemberView[];
  /** Why it cannot be pruned; null when it can. */
  readonly frozen: string | null;
}

/** Groups that are ranked together. */
export interface ScopeView {
  /** What a person calls it, no two alike: `residual stream`, `MLP hidden`, `block inside · layer2`. */
  readonly name: string;
  /** What its groups have in common: `conv.out → batchNorm → relu → conv.in`. */
  readonly label: string;
  readonly kind: 'channels' | 'heads' | 'headDim';
  readonly groups: readonly number[];
  readonly channels: number;
}

export interface GroupsView {
  readonly groups: readonly GroupView[];
  readonly scopes: readonly ScopeView[];
  /** By node: the groups whose channels its value carries, so that the ribbons that tie a group can be shown. */
  readonly carried: readonly (readonly number[])[];
}

/** Histograms of the scores, the same bins for a scope and its groups. */
export interface ScoresView {
  /** `taylor`, `l1`, … */
  readonly criterion: string;
  /** For a person: `Taylor, 50 batches of 64 images`. */
  readonly label: string;
  readonly scopes: readonly ScopeScores[];
  /** Counts in the bins of the group's scope; empty for a group without scope. */
  readonly groups: readonly (readonly number[])[];
}

export interface ScopeScores {
  /** Ascending; one more than counts. */
  readonly edges: readonly number[];
  readonly counts: readonly number[];
}

/** What each group is worth to the network's answers, measured on images before anything is pruned. */
export interface SensitivityView {
  /** For a person: `1,000 images of cifar10`. */
  readonly label: string;
  readonly settings: SensitivitySettings;
  /**
   * By group; null for one that was not measured. At each of the ascending widths, how far the answers are from the dense network's (mean
   * KL divergence; of detectors and the like, relative squared distance) with so many of its channels left and the layers behind repaired.
   */
  readonly groups: readonly (ErrorCurveView | null)[];
}

/** How another plan's choice of channels differs from the present one's. */
export interface KeptChange {
  /** Channels and heads that it keeps. */
  readonly kept: number;
  /** Those of them that the present plan removes. */
  readonly others: number;
}

export interface ErrorCurveView {
  readonly widths: readonly number[];
  readonly errors: readonly number[];
}

/** What can be reached with the present pins and options: MACs. */
export interface TargetRange {
  readonly min: number;
  readonly max: number;
  /** The same in milliseconds, as predicted, up to what the dense model takes; absent where no times were named. */
  readonly milliseconds?: { readonly min: number; readonly max: number };
  /** Why it cannot go lower: `the classifier and 4 pinned layers need it`. */
  readonly reason: string;
}

/** A plan's consequences, position by position as in the GraphView and GroupsView it belongs to. */
export interface PlanView {
  /** MACs asked for; of another target, those that it comes to. */
  readonly target: number;
  /** Where times were named. */
  readonly time?: PlanTime;
  /** MACs of the dense model and of the pruned one. */
  readonly before: CostFigures;
  readonly after: CostFigures;
  readonly range: TargetRange;
  /** Channels kept of each group. */
  readonly kept: readonly number[];
  /** Score at or below which channels go, by scope; null where nothing is ranked. */
  readonly thresholds: readonly (number | null)[];
  /** `width`, `inWidth`, `macs` and `params` of each node after pruning. */
  readonly widths: readonly number[];
  readonly inWidths: readonly number[];
  readonly macs: readonly number[];
  readonly params: readonly number[];
  /** Paths of modules removed whole. */
  readonly removed: readonly string[];
  /** The plan was made from something other than scores: by ratio alone. */
  readonly unscored: boolean;
}

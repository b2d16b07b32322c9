/** A network as a whole pickled module: the classes that it came as, or those of timm and torchvision for its name. */
import { UserError } from '../../common/errors.ts';
import { foldedTemplate, type ModuleTemplate, unfoldedTemplate } from '../checkpoint/modules/module-template.ts';
import { dictOf, WrittenModule } from '../checkpoint/modules/written-module.ts';
import { PickleDict, type PickleObject } from '../checkpoint/torch/pickle-values.ts';
import { writePickle } from '../checkpoint/torch/pickle-write.ts';
import { Storages } from '../checkpoint/torch/torch-write.ts';
import type { Graph } from '../graph/graph.ts';
import type { Weights } from '../graph/tensor.ts';
import { fitNetwork } from './module-fit.ts';
import { convNeXt, mobileNetV2, regNet, resNet } from './module-trees/convolutional-trees.ts';
import { LayerTree } from './module-trees/layer-tree.ts';
import { swinTransformer } from './module-trees/swin-tree.ts';
import { visionTransformer } from './module-trees/vision-transformer-tree.ts';

export interface PickledModule {
  readonly pickle: Uint8Array;
  readonly storages: Storages;
  /** Whether its tensors have the Graph's names. */
  readonly sameNames: boolean;
  readonly notes: readonly string[];
}

/** The classes that a file's module had, and the blocks that were removed since, pruning by pruning. */
export interface RecordedClasses {
  readonly template: ModuleTemplate;
  readonly removals: readonly (readonly string[])[];
}

type Tree = (tree: LayerTree, storages: Map<string, Uint8Array>) => PickleObject;

/** By family of architectures: the classes of the library whose names the Graph has. */
const trees: Readonly<Record<string, Tree>> = {
  deit: visionTransformer,
  convnext: convNeXt,
  swin: swinTransformer,
  resnet: resNet,
  mobilenet: mobileNetV2,
  regnet: regNet,
};

/** Networks of these families whose modules are others than the family's. */
const OTHERS = /^(resnetaa|resnetblur)/;

function namedTemplate(graph: Graph): ModuleTemplate {
  const tree = trees[graph.family];
  if (!tree || OTHERS.test(graph.name))
    throw new UserError(
      `the classes of ${graph.name} are not known: --format module writes ViT, DeiT, ConvNeXt, Swin, ResNet, MobileNetV2 and RegNet, and whatever was opened as a whole pickled module (torch.save(model, …)). Save the model so and prune that file, or export with --format pytorch, which needs no library.`,
    );
  const storages = new Map<string, Uint8Array>();
  return foldedTemplate(tree(new LayerTree(graph), storages), storages);
}

/** What `YOLO(file)` takes: a dictionary with the model, as Ultralytics' training leaves it; a module by itself it would open wrongly. */
function trainingCheckpoint(model: PickleObject): PickleDict {
  const settings = dictOf(new WrittenModule(model).attribute('args'));
  return new PickleDict([
    ['epoch', -1],
    ['best_fitness', null],
    ['model', model],
    ['ema', null],
    ['updates', null],
    ['optimizer', null],
    ['train_args', settings ?? new PickleDict([])],
  ]);
}

/**
 * The pickle that `torch.load(weights_only=False)` opens where the library of the classes is installed.
 *
 * @param recorded undefined for a network that did not come as a module
 * @throws UserError where its classes are not known, or cannot say what the Graph computes
 */
export function pickledModule(graph: Graph, weights: Weights, recorded: RecordedClasses | undefined): PickledModule {
  const storages = new Storages('w');
  const template = unfoldedTemplate(recorded?.template ?? namedTemplate(graph), graph.name);
  const { root, sameNames, notes } = fitNetwork(template, graph, weights, recorded?.removals ?? [], storages);
  const content = graph.family === 'yolo' ? trainingCheckpoint(root) : root;
  return { pickle: writePickle(content), storages, sameNames, notes };
}

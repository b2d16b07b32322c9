/** The walkthrough "Prune your first model". */
import { type StepKey, TOLD, toldKey, WALKTHROUGH_ID } from './identifiers.ts';

export interface WalkthroughStep {
  readonly id: string;
  readonly title: string;
  readonly description: string;
  readonly image: string;
  readonly altText: string;
  readonly completionEvents: readonly string[];
}

const completedBy = (step: StepKey): readonly string[] => TOLD.map((value) => `onContext:${toldKey(step)} == ${value}`);

export const walkthrough = {
  id: WALKTHROUGH_ID,
  title: 'Prune your first model',
  description: 'From a small trained network to a pruned, finetuned one, in minutes.',
  steps: [
    {
      id: 'sample',
      title: 'Create the sample',
      description:
        'A trained ResNet-20 and a few thousand small images, made on this machine in the folder that you choose.\n[Create Sample](command:espalier.createSample)',
      image: 'media/walkthrough/sample.svg',
      altText: 'Four small images of drawn shapes beside a network.',
      completionEvents: completedBy('espalier.didCreateSample'),
    },
    {
      id: 'load',
      title: 'Open the checkpoint',
      description:
        'The architecture is recognised from the file. Select a layer: everything that must be pruned with it lights up.\n[Load Checkpoint](command:espalier.loadCheckpoint)',
      image: 'media/walkthrough/load.svg',
      altText: 'A network drawn as boxes, one group of layers outlined.',
      completionEvents: completedBy('espalier.anyModel'),
    },
    {
      id: 'score',
      title: 'Score the channels',
      description:
        'Taylor scores say what the loss would feel of each channel. They take a few batches of images.\n[Score Channels](command:espalier.score)',
      image: 'media/walkthrough/score.svg',
      altText: 'A histogram of scores with a threshold line.',
      completionEvents: completedBy('espalier.didScore'),
    },
    {
      id: 'target',
      title: 'Set a FLOP target',
      description:
        'Half of the operations, or any figure: the plan follows the slider, and shows what each layer keeps.\n[Set FLOP Target](command:espalier.setTarget)',
      image: 'media/walkthrough/target.svg',
      altText: 'A slider between a thin and a wide network.',
      completionEvents: completedBy('espalier.modelHasPlan'),
    },
    {
      id: 'prune',
      title: 'Prune',
      description: 'Writes the smaller model beside the dense one and opens it.\n[Prune Model](command:espalier.prune)',
      image: 'media/walkthrough/prune.svg',
      altText: 'A wide network beside a narrower one.',
      completionEvents: completedBy('espalier.didPrune'),
    },
    {
      id: 'finetune',
      title: 'Finetune',
      description:
        'A few epochs win back the accuracy. Watch the curves; pause, stop and resume as you like.\n[Finetune](command:espalier.finetune)',
      image: 'media/walkthrough/finetune.svg',
      altText: 'A falling loss curve and a rising accuracy curve.',
      completionEvents: completedBy('espalier.didFinetune'),
    },
    {
      id: 'compare',
      title: 'Evaluate and compare',
      description:
        'Accuracy, operations, size and measured speed of dense, pruned and finetuned, in one table.\n[Evaluate](command:espalier.evaluate)',
      image: 'media/walkthrough/compare.svg',
      altText: 'A table and a plot of accuracy over operations.',
      completionEvents: completedBy('espalier.didEvaluate'),
    },
  ] satisfies readonly WalkthroughStep[],
};

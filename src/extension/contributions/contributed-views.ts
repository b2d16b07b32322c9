/** The side bar: its views, and what they say when they are empty. */

export const viewContainer = { id: 'espalier', title: 'Espalier', icon: 'media/espalier.svg' };

export const views = {
  'espalier.models': { name: 'Models', icon: 'media/espalier.svg' },
  'espalier.groups': { name: 'Groups', icon: 'media/espalier.svg' },
  'espalier.runs': { name: 'Runs', icon: 'media/espalier.svg' },
} as const;

export type ViewId = keyof typeof views;

/** What an empty view says. A link on a line of its own is a button: the side bar has one, for the first thing to do. */
export const welcome: readonly { readonly view: ViewId; readonly text: string; readonly when?: string }[] = [
  {
    view: 'espalier.models',
    text: 'Open a checkpoint to see and prune its network.\n[Load Checkpoint…](command:espalier.loadCheckpoint)\nNew here? [Prune Your First Model](command:espalier.openWalkthrough) on a small sample, or look at a [model without weights](command:espalier.openZooModel).',
  },
  {
    view: 'espalier.groups',
    text: 'Which channels hang together stands here once a model is open.',
    when: '!espalier.modelActive',
  },
  {
    view: 'espalier.runs',
    text: 'Scoring, pruning, finetuning and evaluation appear here, with their progress: [score channels](command:espalier.score), [evaluate](command:espalier.evaluate).',
    when: 'isWorkspaceTrusted && espalier.anyModel',
  },
  {
    view: 'espalier.runs',
    text: 'Scoring, pruning, finetuning and evaluation appear here, with their progress.',
    when: 'isWorkspaceTrusted && !espalier.anyModel',
  },
  {
    view: 'espalier.runs',
    text: 'This workspace is not trusted: models can be looked at, nothing is run.\n[Manage Workspace Trust](command:workbench.trust.manage)',
    when: '!isWorkspaceTrusted',
  },
];

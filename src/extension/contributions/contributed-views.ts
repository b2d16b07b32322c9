/** The side bar: its views, and what they say when they are empty. */

export const viewContainer = { id: 'espalier', title: 'Espalier', icon: 'media/espalier.svg' };

export const views = {
  'espalier.models': { name: 'Models', icon: 'media/espalier.svg' },
  'espalier.groups': { name: 'Groups', icon: 'media/espalier.svg' },
  'espalier.runs': { name: 'Runs', icon: 'media/espalier.svg' },
} as const;

export type ViewId = keyof typeof views;

/** What an empty view says, with its first action. */
export const welcome: readonly { readonly view: ViewId; readonly text: string; readonly when?: string }[] = [
  {
    view: 'espalier.models',
    text: 'Open a checkpoint, look at a network without weights, or start with a small sample.\n[Load Checkpoint…](command:espalier.loadCheckpoint)\n[Open Model Without Weights…](command:espalier.openZooModel)\n[Prune Your First Model](command:espalier.openWalkthrough)',
  },
  {
    view: 'espalier.groups',
    text: 'Open a model to see which of its channels hang together.\n[Load Checkpoint…](command:espalier.loadCheckpoint)',
    when: '!espalier.modelActive',
  },
  {
    view: 'espalier.runs',
    text: 'Scoring, pruning, finetuning and evaluation appear here, with their progress.\n[Score Channels…](command:espalier.score)\n[Evaluate…](command:espalier.evaluate)',
    when: 'isWorkspaceTrusted && espalier.anyModel',
  },
  {
    view: 'espalier.runs',
    text: 'Scoring, pruning, finetuning and evaluation appear here, with their progress.\n[Load Checkpoint…](command:espalier.loadCheckpoint)',
    when: 'isWorkspaceTrusted && !espalier.anyModel',
  },
  {
    view: 'espalier.runs',
    text: 'This workspace is not trusted: models can be looked at, nothing is run.\n[Manage Workspace Trust](command:workbench.trust.manage)',
    when: '!isWorkspaceTrusted',
  },
];

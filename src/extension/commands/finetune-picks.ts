/** The common settings of a finetuning run as a list: start, change one, or edit them all as a file. */
import * as vscode from 'vscode';
import { isElsewhere } from '../../protocol/run-place.ts';
import type { FinetuneSettings, ModelSource } from '../../protocol/values.ts';
import { modelTitle } from '../model/model-uri.ts';
import { askDataPath, choosePlace, describePlace } from './choose-place.ts';
import { askText, chooseOne } from './questions.ts';

/** `5 epochs, batches of 64, sgd, learning rate 0.05`. */
function describe({ flags }: FinetuneSettings): string {
  return vscode.l10n.t(
    '{0} epochs, batches of {1}, {2}, learning rate {3}',
    String(flags['epochs'] ?? '?'),
    String(flags['batch-size'] ?? '?'),
    String(flags['opt'] ?? '?'),
    String(flags['lr'] ?? '?'),
  );
}

/** The settings that are changed most, by name, and what a value must be. */
const ASKED_FLAGS: readonly {
  readonly flag: string;
  readonly label: () => string;
  readonly fits: (value: number) => boolean;
  readonly wrong: () => string;
}[] = [
  {
    flag: 'epochs',
    label: () => vscode.l10n.t('Epochs'),
    fits: (value) => Number.isInteger(value) && value > 0,
    wrong: () => vscode.l10n.t('A whole number from 1 up.'),
  },
  {
    flag: 'lr',
    label: () => vscode.l10n.t('Learning rate'),
    fits: (value) => value > 0,
    wrong: () => vscode.l10n.t('A number above 0, such as 0.01.'),
  },
  {
    flag: 'batch-size',
    label: () => vscode.l10n.t('Batch size'),
    fits: (value) => Number.isInteger(value) && value > 0,
    wrong: () => vscode.l10n.t('A whole number from 1 up.'),
  },
];

type SettingsPick = vscode.QuickPickItem & {
  readonly act: 'start' | 'edit' | 'where' | 'images' | (typeof ASKED_FLAGS)[number];
};

function settingsPicks(settings: FinetuneSettings): readonly SettingsPick[] {
  const { flags, place } = settings;
  const row = (label: string, description: string, icon: string, act: SettingsPick['act']): SettingsPick => ({
    label,
    description,
    iconPath: new vscode.ThemeIcon(icon),
    act,
  });
  const start = place?.onlyWrite ? vscode.l10n.t('Write the folder') : vscode.l10n.t('Start');
  return [
    { ...row(start, '', 'play', 'start'), detail: describe(settings) },
    ...ASKED_FLAGS.map((asked) => row(asked.label(), String(flags[asked.flag] ?? ''), 'settings', asked)),
    row(vscode.l10n.t('Where'), describePlace(place), 'server', 'where'),
    ...(place && isElsewhere(place)
      ? [row(vscode.l10n.t('Images there'), place.dataPath, 'file-media', 'images')]
      : []),
    { ...row(vscode.l10n.t('Edit settings first'), '', 'edit', 'edit'), detail: vscode.l10n.t('all flags, as JSON') },
  ];
}

/** What a pick other than the ends of the list changes. */
async function changed(
  settings: FinetuneSettings,
  act: Exclude<SettingsPick['act'], 'start' | 'edit'>,
  here: string | undefined,
): Promise<FinetuneSettings> {
  const { place, ...rest } = settings;
  if (act === 'images' && place)
    return { ...settings, place: { ...place, dataPath: await askDataPath(place.engine, place.dataPath) } };
  if (act === 'where' || act === 'images') {
    const chosen = await choosePlace(here);
    return chosen ? { ...rest, place: chosen } : rest;
  }
  const { flags } = settings;
  const text = await askText({
    title: act.label(),
    value: String(flags[act.flag] ?? ''),
    validateInput: (value) => (value.trim() !== '' && act.fits(Number(value)) ? undefined : act.wrong()),
  });
  return { ...settings, flags: { ...flags, [act.flag]: Number(text) } };
}

/**
 * Start, change one of the common settings and see the list again, or edit them all as a file.
 * @param here folder of the images on this machine; undefined where they are not here
 */
export async function askSettings(
  source: ModelSource,
  proposed: FinetuneSettings,
  here: string | undefined,
): Promise<{ readonly how: 'start' | 'edit'; readonly settings: FinetuneSettings }> {
  let settings = proposed;
  for (;;) {
    const { act } = await chooseOne(settingsPicks(settings), {
      title: vscode.l10n.t('Finetune (2/2)'),
      placeHolder: modelTitle(source),
    });
    if (act === 'start' || act === 'edit') return { how: act, settings };
    settings = await changed(settings, act, here);
  }
}

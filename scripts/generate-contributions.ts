/** Writes package.json's `contributes` and package.nls.json from src/extension/contributions.ts, and the schema of finetuning settings. */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import * as from from '../src/extension/contributions.ts';
import { RUN_FILES } from '../src/protocol/run-files.ts';
import { finetuneSchema } from './finetune-schema.ts';

export const SCHEMA_FILE = 'media/finetune.schema.json';
const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');

export interface Manifest {
  readonly contributes: object;
  readonly activationEvents: readonly string[];
  readonly capabilities: object;
  /** package.nls.json. */
  readonly texts: Readonly<Record<string, string>>;
}

/** Keeps a text under its key and gives the reference to it. */
type TextOf = (key: string, value: string) => string;

const views = (text: TextOf): object => ({
  views: {
    [from.viewContainer.id]: Object.entries(from.views).map(([id, { name, icon }]) => ({
      id,
      name: text(`view.${id}`, name),
      icon,
    })),
  },
  viewsWelcome: from.welcome.map(({ view, text: contents, when }, index) => ({
    view,
    contents: text(`welcome.${index}`, contents),
    ...(when && { when }),
  })),
});

const walkthrough = (text: TextOf): object => ({
  id: from.walkthrough.id,
  title: text('walkthrough.title', from.walkthrough.title),
  description: text('walkthrough.description', from.walkthrough.description),
  steps: from.walkthrough.steps.map((step) => ({
    id: step.id,
    title: text(`walkthrough.${step.id}.title`, step.title),
    description: text(`walkthrough.${step.id}.description`, step.description),
    media: { svg: step.image, altText: text(`walkthrough.${step.id}.alt`, step.altText) },
    completionEvents: step.completionEvents,
  })),
});

/** What VS Code reads of the contributions; texts are `%key%` references into `texts`. */
export function manifest(): Manifest {
  const texts: Record<string, string> = {};
  const text: TextOf = (key, value) => {
    texts[key] = value;
    return `%${key}%`;
  };
  const commands = Object.entries<from.CommandContribution>(from.commands);
  const contributes = {
    commands: commands.map(([command, { title, icon, enablement }]) => ({
      command,
      title: text(`command.${command}`, title),
      category: 'Espalier',
      ...(icon && { icon }),
      ...(enablement && { enablement }),
    })),
    menus: {
      commandPalette: commands.flatMap(([command, { palette }]) =>
        palette === undefined ? [] : [{ command, when: palette === false ? 'false' : palette }],
      ),
      ...from.menus,
    },
    keybindings: from.keybindings,
    viewsContainers: { activitybar: [from.viewContainer] },
    ...views(text),
    customEditors: from.customEditors,
    jsonValidation: [{ fileMatch: from.FINETUNE_FILE, url: `./${SCHEMA_FILE}` }],
    colors: from.colors.map(({ id, description, color }) => ({
      id,
      description: text(`color.${id}`, description),
      defaults: { dark: color, light: color, highContrast: color, highContrastLight: color },
    })),
    configuration: {
      title: 'Espalier',
      properties: Object.fromEntries(
        Object.entries<from.SettingContribution>(from.settings).map(([id, setting], order) => [
          id,
          settingSchema(id, setting, order, text),
        ]),
      ),
    },
    taskDefinitions: [from.taskDefinition],
    walkthroughs: [walkthrough(text)],
  };
  return {
    contributes,
    // Commands, views and custom editors activate by themselves; the rest is restored after a restart.
    activationEvents: [
      `onFileSystem:${from.ZOO_SCHEME}`,
      `onTaskType:${from.TASK_TYPE}`,
      ...from.PANELS.map((panel) => `onWebviewPanel:${panel}`),
      // A run went on while no window was open.
      `workspaceContains:.espalier/runs/*/${RUN_FILES.live}`,
      // The settings of a run that was not started yet have a button to start it.
      `workspaceContains:.espalier/runs/*/${from.FINETUNE_FILE}`,
    ],
    capabilities: {
      untrustedWorkspaces: {
        supported: from.trust.supported,
        description: text('trust.description', from.trust.description),
        restrictedConfigurations: from.trust.restrictedConfigurations,
      },
      virtualWorkspaces: {
        supported: false,
        description: text('virtual.description', 'Checkpoints are read by a process of their own, from a real disk.'),
      },
    },
    texts,
  };
}

function settingSchema(id: string, setting: from.SettingContribution, order: number, text: TextOf): object {
  const { type, scope, description } = setting;
  const choices = 'choices' in setting ? setting.choices : undefined;
  return {
    type,
    default: setting.default,
    scope,
    order,
    markdownDescription: text(`setting.${id}`, description),
    ...(choices && {
      enum: Object.keys(choices),
      enumDescriptions: Object.entries(choices).map(([choice, what]) => text(`setting.${id}.${choice}`, what)),
    }),
    ...('minimum' in setting && { minimum: setting.minimum }),
    ...('maximum' in setting && { maximum: setting.maximum }),
    ...(type === 'array' && { items: { type: 'string' } }),
  };
}

/** Texts of the files as they should be. */
export function generated(): { readonly packageJson: string; readonly nls: string; readonly schema: string } {
  const { contributes, activationEvents, capabilities, texts } = manifest();
  const packageJson = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as Record<string, unknown>;
  const written = { ...packageJson, activationEvents, capabilities, contributes };
  return {
    packageJson: `${JSON.stringify(written, null, 2)}\n`,
    nls: `${JSON.stringify(texts, null, 2)}\n`,
    schema: finetuneSchema(),
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { packageJson, nls, schema } = generated();
  writeFileSync(path.join(root, SCHEMA_FILE), schema);
  writeFileSync(path.join(root, 'package.json'), packageJson);
  writeFileSync(path.join(root, 'package.nls.json'), nls);
}

/**
 * Everything that the extension contributes to VS Code: commands, settings, views, menus, keys, editors, tasks, walkthrough.
 *
 * package.json's `contributes` and package.nls.json are generated from this module (`npm run contributions`) and a test
 * compares them, so that manifest and code cannot drift. Texts here are English; `%key%` references are made from them.
 */

export * from './contributions/contributed-colors.ts';
export * from './contributions/contributed-commands.ts';
export * from './contributions/contributed-menus.ts';
export * from './contributions/contributed-settings.ts';
export * from './contributions/contributed-tasks.ts';
export * from './contributions/contributed-views.ts';
export * from './contributions/contributed-walkthrough.ts';
export * from './contributions/identifiers.ts';

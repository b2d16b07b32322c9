/** What a pane draws, or an export: a scene with the selection as it shows in that scene's own tree. */
import type { Picture } from '../draw/picture.ts';
import type { Theme } from '../draw/theme.ts';
import { badges as badgesOf, highlightOf } from '../model/selection.ts';
import type { Scene, Store } from '../model/store.ts';

/** The pruned model's own tree has other items than the dense one's: those with the same name stand for each other. */
export function pictureOf(store: Store, scene: Scene, theme: Theme): Picture {
  const { highlight, badges, selection, focus, keyboard, hover, tree, tint } = store;
  if (scene.tree === tree)
    return { ...scene, highlight, badges, selection, focus: keyboard ? focus : -1, hover, theme, tint };
  const key = tree?.items[selection.item]?.key;
  const item = key === undefined ? -1 : (scene.tree.byKey.get(key) ?? -1);
  const own = { ...selection, item };
  const lit = highlightOf(scene.tree, store.prunedGroups, own);
  return {
    ...scene,
    highlight: lit,
    badges: badgesOf(scene.tree, store.open, lit),
    selection: own,
    focus: -1,
    hover: -1,
    theme,
    tint,
  };
}

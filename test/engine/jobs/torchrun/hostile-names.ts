/** Names that a shell, YAML or Python would take for something else, were they not quoted. */
export const HOSTILE: readonly string[] = [
  'a b',
  "it's",
  '"quoted"',
  '$(touch owned)',
  '`touch owned`',
  '$HOME',
  '; touch owned #',
  '-rf',
  'line\nbreak',
  'back\\slash',
  '*?[a]',
  'größe 漢字',
  "'; touch owned; '",
];

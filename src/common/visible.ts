/** Text that comes from files, for a terminal or a message: nothing in it can move the cursor, set a title or turn the line around. */

/** Control characters but for line breaks and tabs; marks of direction; characters without width. */
const HIDDEN = /(?![\n\t])[\p{Cc}\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]|\p{Cs}/gu;

const escaped = (character: string): string => {
  const code = character.codePointAt(0) as number;
  return code <= 0xff ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`;
};

/** `text` with what cannot be seen written as an escape: `\x1b]0;…`. */
export const visible = (text: string): string => text.replace(HIDDEN, escaped);

/** The same for a name or a cell, which has one line. */
export const visibleLine = (text: string): string =>
  visible(text).replace(/[\n\t]/g, (c) => (c === '\n' ? '\\n' : '\\t'));

/** JSON with no such character raw: strings in it say the same as before. */
export const visibleJson = (json: string): string =>
  json.replace(HIDDEN, (character) => `\\u${(character.codePointAt(0) as number).toString(16).padStart(4, '0')}`);

/** A path that fits into so many letters: its end, which tells layers apart, whole parts where possible. */
export function pathTail(path: string, letters: number): string {
  if (path.length <= letters) return path;
  const from = path.length - (letters - 1);
  // The dot before the first whole part that fits.
  const dot = path.indexOf('.', from - 1);
  return `…${path.slice(dot >= 0 && dot - from < letters / 2 ? dot + 1 : from)}`;
}

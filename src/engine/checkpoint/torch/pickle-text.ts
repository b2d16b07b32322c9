/** The text forms of pickle protocol 0: decimal integers, quoted strings, raw-unicode-escape. */

const MAX_DIGITS = 2500;

/** `12`, `-3`, `12L`; undefined for anything else. Very long numbers are refused: converting them takes quadratic time. */
export function parseLong(text: string): bigint | undefined {
  const digits = text.endsWith('L') ? text.slice(0, -1) : text;
  return digits.length <= MAX_DIGITS && /^[+-]?[0-9]+$/.test(digits) ? BigInt(digits) : undefined;
}

const simpleEscapes: { readonly [character: string]: string } = {
  '\\': '\\',
  "'": "'",
  '"': '"',
  n: '\n',
  r: '\r',
  t: '\t',
  a: '\x07',
  b: '\b',
  f: '\f',
  v: '\v',
};

/** A Python string literal in quotes, as protocol 0 writes it; undefined if the quotes are missing. */
export function parseQuotedBytes(text: string): string | undefined {
  const quote = text[0];
  if (text.length < 2 || (quote !== "'" && quote !== '"') || text.at(-1) !== quote) return undefined;
  return text.slice(1, -1).replace(/\\(x[0-9a-fA-F]{2}|[0-7]{1,3}|[^x0-7])/g, (whole, code: string) => {
    if (code[0] === 'x') return String.fromCharCode(Number.parseInt(code.slice(1), 16));
    if (/[0-7]/.test(code[0])) return String.fromCharCode(Number.parseInt(code, 8) & 0xff);
    return simpleEscapes[code] ?? whole;
  });
}

/** Python's raw-unicode-escape: only `\uXXXX` and `\UXXXXXXXX` are escapes. */
export function parseRawUnicode(text: string): string {
  return text.replace(/\\u([0-9a-fA-F]{4})|\\U([0-9a-fA-F]{8})/g, (whole, short?: string, long?: string) => {
    const code = Number.parseInt(short ?? long ?? '', 16);
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
}

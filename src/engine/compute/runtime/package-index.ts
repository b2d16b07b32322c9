/** Finds a file on a Python package index (PEP 503 HTML, PEP 691 JSON). */
import type { Host } from './install-host.ts';
import type { Wheel } from './wheels.ts';

const DEFAULT_INDEX = 'https://pypi.org/simple';
const ACCEPT = 'application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.5, text/html;q=0.1';

/** The address of the wheel on the index that `PIP_INDEX_URL` names, else on PyPI. Throws an Error where it is not there. */
export async function wheelUrl(
  wheel: Pick<Wheel, 'project' | 'file'>,
  host: Host,
  signal?: AbortSignal,
): Promise<string> {
  const index = (host.environment.variables['PIP_INDEX_URL'] || DEFAULT_INDEX).replace(/\/+$/, '');
  const { href, headers } = withoutCredentials(`${index}/${wheel.project}/`);
  const response = await host.fetch(href, { headers: { Accept: ACCEPT, ...headers }, signal });
  if (!response.ok) throw new Error(`${href} answered ${response.status} ${response.statusText}`);
  const page = await response.text();
  const isJson = response.headers.get('content-type')?.includes('json');
  const link = isJson ? linkInJson(page, wheel.file) : linkInHtml(page, wheel.file);
  if (!link) throw new Error(`${href} does not list ${wheel.file}`);
  return new URL(link, response.url || href).href;
}

/** `fetch` refuses addresses with a user and password in them. */
function withoutCredentials(address: string): { href: string; headers: Record<string, string> } {
  const url = new URL(address);
  if (!url.username) return { href: url.href, headers: {} };
  const credentials = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  url.username = '';
  url.password = '';
  return { href: url.href, headers: { Authorization: `Basic ${Buffer.from(credentials).toString('base64')}` } };
}

function linkInJson(page: string, file: string): string | undefined {
  const { files } = JSON.parse(page) as { files?: readonly { filename?: string; url?: string }[] };
  return files?.find((entry) => entry.filename === file)?.url;
}

function linkInHtml(page: string, file: string): string | undefined {
  for (const [, href] of page.matchAll(/<a\s[^>]*href\s*=\s*["']([^"']+)["']/gi)) {
    const name = decodeURIComponent(href.split(/[?#]/)[0].split('/').pop() ?? '');
    if (name === file) return href.split('#')[0].replaceAll('&amp;', '&');
  }
  return undefined;
}

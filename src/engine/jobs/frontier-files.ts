/** What a frontier leaves in a folder: table, picture and figures, and a plan for each point. */
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import sharp from 'sharp';
import { writeFileAtomically } from '../files/atomic-write.ts';
import type { FrontierPoint, FrontierReport } from './frontier.ts';
import { frontierCsv, frontierMarkdown, frontierSvg } from './frontier-report.ts';

/** The plan of a point in the report's folder, whatever its target is written like; undefined for the dense network. */
export const planFile = ({ criterion, mode, target, plan }: FrontierPoint): string | undefined =>
  plan && path.join('plans', `${criterion}-${mode}-${target.replace('%', '').replace(/[^\w.-]/g, '_')}.json`);

/** Writes `frontier.md`, `.csv`, `.svg`, `.png` and `plans/`; gives the Markdown's text. */
export async function writeFrontier(folder: string, report: FrontierReport, name: string): Promise<string> {
  await mkdir(path.join(folder, 'plans'), { recursive: true });
  const write = (file: string, content: string | Buffer): Promise<void> =>
    writeFileAtomically(path.join(folder, file), content);
  for (const point of report.points) {
    const file = planFile(point);
    if (file) await write(file, `${JSON.stringify(point.plan, null, 1)}\n`);
  }
  const markdown = frontierMarkdown(report, name);
  const picture = frontierSvg(report, name);
  await write('frontier.csv', frontierCsv(report));
  await write('frontier.svg', picture);
  await write('frontier.png', await sharp(Buffer.from(picture)).png().toBuffer());
  await write('frontier.md', markdown);
  return markdown;
}

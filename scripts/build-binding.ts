/**
 * Puts into dist/binding/ what the extension ships of TensorFlow's binding: the compiled one for this platform, and its source and headers
 * for other platforms (`--sources`: these alone). Compiling needs a C++ compiler and an installed runtime ("espalier runtime install").
 */
import { cpSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import { buildBinding, prebuiltFolder, SOURCE_FOLDERS } from '../src/engine/compute/runtime/build-binding.ts';
import { platformName, readManifest, runtimeFiles, runtimeFolder } from '../src/engine/compute/runtime/locate.ts';

const root = path.resolve(import.meta.dirname, '..');

async function compile(): Promise<void> {
  const folder = runtimeFolder('cpu');
  if (!readManifest(folder)) {
    console.error(`No TensorFlow runtime in ${folder}: run "espalier runtime install" first.`);
    process.exit(1);
  }
  const output = prebuiltFolder(root, platformName());
  await buildBinding(runtimeFiles(folder), output, { programFolder: root });
  console.log(path.relative(root, output));
}

if (!process.argv.includes('--sources')) await compile();
const { packed, packedHeaders, package: tfjs, own, headers } = SOURCE_FOLDERS;
for (const [from, to] of [
  [tfjs, packed],
  [own, packed],
  [headers, packedHeaders],
]) {
  mkdirSync(path.join(root, to), { recursive: true });
  cpSync(path.join(root, from), path.join(root, to), {
    recursive: true,
    filter: (file) => !/\.def$|symbols/.test(file),
  });
}

/**
 * Puts into dist/binding/ what the extension ships of TensorFlow's binding: the compiled one for this platform, and its source and headers
 * for other platforms (`--sources`: these alone). Compiling needs a C++ compiler and an installed runtime ("espalier runtime install");
 * where one of them is missing nothing is compiled, and it is said.
 */
import { cpSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import {
  buildBinding,
  hasCompiler,
  prebuiltFolder,
  SOURCE_FOLDERS,
} from '../src/engine/compute/runtime/build-binding.ts';
import { platformName, readManifest, runtimeFiles, runtimeFolder } from '../src/engine/compute/runtime/locate.ts';

const root = path.resolve(import.meta.dirname, '..');

/** Why the binding cannot be compiled on this machine; undefined where it can. */
async function whyNot(): Promise<string | undefined> {
  const folder = runtimeFolder('cpu');
  if (!readManifest(folder)) return `there is no TensorFlow runtime in ${folder} ("espalier runtime install")`;
  return (await hasCompiler()) ? undefined : 'there is no C++ compiler';
}

async function compile(): Promise<void> {
  const folder = runtimeFolder('cpu');
  const why = await whyNot();
  if (why) {
    console.error(`without TensorFlow's compiled binding, which its users will have to compile: ${why}`);
    return;
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

// Packs the extension for this platform: production bundles, sharp and ONNX Runtime with their libraries, and the
// prebuilt TensorFlow binding where there is one. Writes espalier-PLATFORM-VERSION.vsix and says its size.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { createVSIX } from '@vscode/vsce';

const LIMIT_BYTES = 60e6;
const platform = `${process.platform}-${process.arch}`;
const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
const output = process.env.ESPALIER_VSIX ?? `espalier-${platform}-${version}.vsix`;

function run(command, args) {
  const { status } = spawnSync(command, args, { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

/** What bundles load at run time, with all that it needs: packages that carry binaries. */
function packedModules() {
  const wanted = ['sharp', 'onnxruntime-node'];
  const found = new Set();
  const visit = (name) => {
    const folder = path.join('node_modules', name);
    if (found.has(name) || !existsSync(folder)) return;
    found.add(name);
    const { dependencies = {}, optionalDependencies = {} } = JSON.parse(
      readFileSync(path.join(folder, 'package.json'), 'utf8'),
    );
    const all = Object.keys({ ...dependencies, ...optionalDependencies });
    for (const needed of all) if (!INSTALL_ONLY.has(needed)) visit(needed);
  };
  for (const name of wanted) visit(name);
  return [...found];
}

/** What onnxruntime-node needs only to download CUDA's libraries. */
const INSTALL_ONLY = new Set(['adm-zip', 'global-agent']);

const KEPT = /\.(js|cjs|mjs|json|node|so|dylib|dll|wasm)$|\.so\.[\d.]+$|LICENSE/i;
/** ONNX Runtime's package has the libraries of every platform. */
const isForeign = (file) =>
  file.startsWith(path.join('bin', 'napi-v6')) &&
  ![process.platform, process.arch].every((part, i) => (file.split(path.sep)[2 + i] ?? part) === part);
const LEFT_OUT = /(^|\/)(src|install|docs|include|test|tests|range\.bnf)(\/|$)|\.d\.ts$/;

run(process.execPath, ['esbuild.mjs', '--production']);
if (!existsSync(path.join('dist', 'binding', platform)))
  console.warn(
    `no prebuilt TensorFlow binding for ${platform}: the runtime's installation will compile it (npm run build:binding makes it)`,
  );

// Beside the bundles, where their require() looks first; vsce leaves the top node_modules out.
const modules = path.join('dist', 'node_modules');
rmSync(modules, { recursive: true, force: true });
try {
  for (const name of packedModules()) {
    const from = path.join('node_modules', name);
    const to = path.join(modules, name);
    mkdirSync(to, { recursive: true });
    cpSync(from, to, {
      recursive: true,
      dereference: true,
      filter: (file) => {
        const inside = path.relative(from, file);
        if (inside === '') return true;
        return !LEFT_OUT.test(inside) && !isForeign(inside) && (statSync(file).isDirectory() || KEPT.test(inside));
      },
    });
  }
  await createVSIX({
    packagePath: output,
    target: platform,
    dependencies: false,
    allowMissingRepository: true,
    // No address is known that the README's links could lead to.
    rewriteRelativeLinks: false,
    skipLicense: !existsSync('LICENSE'),
  });
} finally {
  rmSync(modules, { recursive: true, force: true });
}
const { size } = statSync(output);
console.log(`${output}: ${(size / 1e6).toFixed(1)} MB`);
if (size > LIMIT_BYTES) {
  console.error(`larger than ${LIMIT_BYTES / 1e6} MB`);
  process.exit(1);
}

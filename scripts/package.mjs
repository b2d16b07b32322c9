// Packs the extension: production bundles, and the libraries of one platform: sharp's, ONNX Runtime's (native where its package has
// one, else its WebAssembly), and for linux-x64 TensorFlow's binding, built here. Writes espalier-PLATFORM-VERSION.vsix and says its size.
//   npm run package -- [--platform linux-x64|…|universal] [--without-binding]
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { createVSIX } from '@vscode/vsce';

const LIMIT_BYTES = 60e6;
const IMAGES_URL = process.env.ESPALIER_IMAGES_URL;

/** VS Code's platforms: sharp's packages of each, and the folder of ONNX Runtime's library in its package, where it has one. */
const PLATFORMS = {
  'linux-x64': { sharp: ['linux-x64'], library: 'linux/x64' },
  'linux-arm64': { sharp: ['linux-arm64'], library: 'linux/arm64' },
  'darwin-arm64': { sharp: ['darwin-arm64'], library: 'darwin/arm64' },
  'win32-x64': { sharp: ['win32-x64'], library: 'win32/x64' },
  'win32-arm64': { sharp: ['win32-arm64'], library: 'win32/arm64' },
  'darwin-x64': { sharp: ['darwin-x64'] },
  'linux-armhf': { sharp: ['linux-arm'] },
  'alpine-x64': { sharp: ['linuxmusl-x64'] },
  'alpine-arm64': { sharp: ['linuxmusl-arm64'] },
  // For whoever has no package of their own.
  universal: { sharp: ['darwin-x64', 'linux-arm', 'linuxmusl-x64', 'linuxmusl-arm64'] },
};
/** Where TensorFlow's binding is built in: its runtime is for the same platform. */
const BINDING_PLATFORM = 'linux-x64';

const host = `${process.platform}-${process.arch}`;
const { values: flags } = parseArgs({
  options: { platform: { type: 'string', default: host }, 'without-binding': { type: 'boolean', default: false } },
});
const { platform } = flags;
const packed = PLATFORMS[platform];
if (!packed) fail(`--platform ${platform}: known are ${Object.keys(PLATFORMS).join(', ')}`);
const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
const output = process.env.ESPALIER_VSIX ?? `espalier-${platform}-${version}.vsix`;
const locked = JSON.parse(readFileSync('package-lock.json', 'utf8')).packages;

function fail(message) {
  console.error(message);
  process.exit(1);
}

function run(command, args, options = {}) {
  const { status } = spawnSync(command, args, { stdio: 'inherit', ...options });
  if (status !== 0) fail(`${command} ${args.join(' ')} failed`);
}

/** Packages of other platforms, unpacked: beside npm's other caches in node_modules. */
const CACHE = path.resolve('node_modules', '.cache', 'espalier-package');

/** The folder of a package as package-lock.json pins it: the installed one, or fetched from the registry and checked. */
function packageFolder(name) {
  const installed = path.join('node_modules', name);
  const { version: pinned, integrity } = locked[`node_modules/${name}`] ?? fail(`${name} is not in package-lock.json`);
  if (existsSync(installed) && JSON.parse(readFileSync(path.join(installed, 'package.json'))).version === pinned)
    return installed;
  const folder = path.join(CACHE, `${name.replace('/', '+')}@${pinned}`);
  if (existsSync(folder)) return folder;
  mkdirSync(CACHE, { recursive: true });
  const temporary = mkdtempSync(path.join(CACHE, 'fetch-'));
  try {
    run('npm', ['pack', `${name}@${pinned}`, '--silent', '--pack-destination', temporary]);
    const archive = path.join(
      temporary,
      readdirSync(temporary).find((file) => file.endsWith('.tgz')),
    );
    const digest = `sha512-${createHash('sha512').update(readFileSync(archive)).digest('base64')}`;
    if (digest !== integrity) fail(`${name}@${pinned} from the registry is not what package-lock.json pins`);
    run('tar', ['-xzf', archive, '-C', temporary]);
    renameSync(path.join(temporary, 'package'), folder);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
  return folder;
}

/** sharp's own packages for a platform: the addon, and libvips where it is not inside it (Windows). */
const sharpPackages = (name) =>
  [`@img/sharp-${name}`, `@img/sharp-libvips-${name}`].filter((one) => locked[`node_modules/${one}`]);

const nativeOnnx = {
  'onnxruntime-node': (file) =>
    /^(package\.json|LICENSE|dist\/[^/]*\.js)$/.test(file) ||
    // macOS's library is there twice: the addon loads the one named by its major version.
    (file.startsWith(`bin/napi-v6/${packed.library}/`) && !/\.\d+\.\d+\.\d+\.dylib$/.test(file)),
};
/** What Node's entry point of the WebAssembly build loads. */
const WEB_FILES = /^(package\.json|LICENSE|dist\/(ort\.node\.min\.m?js|ort-wasm-simd-threaded\.(mjs|wasm)))$/;
const webOnnx = { 'onnxruntime-web': (file) => WEB_FILES.test(file) };

const CODE = /\.(c?js|mjs|json|node|so|dylib|dll|wasm)$|\.(so|dylib)\.[\d.]+$|LICENSE|NOTICE/i;
const isCode = (file) => CODE.test(file) && !/(^|\/)(src|install|docs|include|tests?)\//.test(file);

/** Packages that bundles load at run time, and which of their files. */
function packedModules() {
  const plain = ['sharp', '@img/colour', 'detect-libc', 'semver', ...packed.sharp.flatMap(sharpPackages)];
  return {
    ...Object.fromEntries(plain.map((name) => [name, isCode])),
    'onnxruntime-common': (file) => /^(package\.json|LICENSE|dist\/(cjs|esm)\/.*\.(js|json))$/.test(file),
    ...(packed.library ? nativeOnnx : webOnnx),
  };
}

function copyPackage(name, isWanted, to) {
  const from = packageFolder(name);
  cpSync(from, to, {
    recursive: true,
    dereference: true,
    filter: (file) => {
      const inside = path.relative(from, file).split(path.sep).join('/');
      if (inside === '') return true;
      return statSync(file).isDirectory() ? !inside.includes('node_modules') : isWanted(inside);
    },
  });
}

/** TensorFlow's binding: compiled where the package is for it, source and headers for every platform. */
function addBinding() {
  rmSync(path.join('dist', 'binding'), { recursive: true, force: true });
  const compiles = platform === BINDING_PLATFORM && !flags['without-binding'];
  if (compiles && host !== platform)
    fail(`TensorFlow's binding for ${platform} is built there: use --without-binding here`);
  run(process.execPath, ['--import', 'tsx', 'scripts/build-binding.ts', ...(compiles ? [] : ['--sources'])]);
}

/**
 * The page of the Marketplace and of the extension's details: docs/marketplace.md. Its images are shown from where ESPALIER_IMAGES_URL
 * says that the repository's files lie; without one they are left out, for a packed file cannot be shown there.
 */
function marketplacePage() {
  const file = path.join('dist', 'readme.md');
  const text = readFileSync(path.join('docs', 'marketplace.md'), 'utf8');
  const shown = IMAGES_URL ? text : text.replace(/^!\[[^\]]*\]\([^)]*\)\n\n?/gm, '');
  writeFileSync(file, shown);
  return file;
}

run(process.execPath, ['esbuild.mjs', '--production']);
addBinding();
// Beside the bundles, where their require() looks first; vsce leaves the top node_modules out.
const modules = path.join('dist', 'node_modules');
rmSync(modules, { recursive: true, force: true });
try {
  for (const [name, isWanted] of Object.entries(packedModules())) copyPackage(name, isWanted, path.join(modules, name));
  await createVSIX({
    packagePath: output,
    ...(platform !== 'universal' && { target: platform }),
    dependencies: false,
    allowMissingRepository: true,
    readmePath: marketplacePage(),
    // Its links are absolute.
    rewriteRelativeLinks: false,
    ...(IMAGES_URL && { baseImagesUrl: IMAGES_URL }),
    skipLicense: !existsSync('LICENSE'),
  });
} finally {
  rmSync(modules, { recursive: true, force: true });
}
const { size } = statSync(output);
console.log(`${output}: ${(size / 1e6).toFixed(1)} MB`);
if (size > LIMIT_BYTES) fail(`larger than ${LIMIT_BYTES / 1e6} MB`);

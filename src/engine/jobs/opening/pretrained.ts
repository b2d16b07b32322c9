/** Published weights of a model's name, where timm or torchvision have kept them on this machine before. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import { findVariant } from '../../architectures/registry.ts';

type Environment = Readonly<Record<string, string | undefined>>;

const cacheHome = (env: Environment): string => env['XDG_CACHE_HOME'] ?? path.join(homedir(), '.cache');

/** Where huggingface_hub keeps what timm has downloaded. */
const hubFolder = (env: Environment): string =>
  env['HF_HUB_CACHE'] ?? path.join(env['HF_HOME'] ?? path.join(cacheHome(env), 'huggingface'), 'hub');

/** Where torch.hub keeps what torchvision, and timm in its early years, have downloaded. */
const torchFolder = (env: Environment): string =>
  path.join(env['TORCH_HOME'] ?? path.join(cacheHome(env), 'torch'), 'hub', 'checkpoints');

const HUB_FILES = ['model.safetensors', 'pytorch_model.bin'];

const isFile = async (file: string): Promise<boolean> => (await stat(file).catch(() => undefined))?.isFile() ?? false;
const entriesOf = async (folder: string): Promise<string[]> => (await readdir(folder).catch(() => [])).sort();

/** Without a tag, that of the first that is there: which weights they are is in the path. */
async function inHub(name: string, env: Environment): Promise<string | undefined> {
  const hub = hubFolder(env);
  const wanted = `models--timm--${name}`;
  for (const folder of await entriesOf(hub)) {
    if (folder !== wanted && (name.includes('.') || !folder.startsWith(`${wanted}.`))) continue;
    const model = path.join(hub, folder);
    const main = (await readFile(path.join(model, 'refs', 'main'), 'utf8').catch(() => '')).trim();
    const snapshots = await entriesOf(path.join(model, 'snapshots'));
    for (const revision of [main, ...snapshots].filter(Boolean))
      for (const file of HUB_FILES) {
        const place = path.join(model, 'snapshots', revision, file);
        if (await isFile(place)) return place;
      }
  }
  return undefined;
}

/** `resnet50-0676ba61.pth`: a name and the beginning of the file's SHA-256. A tag says that other weights are meant. */
async function inTorchHub(name: string, env: Environment): Promise<string | undefined> {
  const folder = torchFolder(env);
  const files = (await entriesOf(folder)).filter(
    (file) => /-[0-9a-f]{8}\.pth$/.test(file) && file.slice(0, -13) === name,
  );
  return files.length ? path.join(folder, files[files.length - 1]) : undefined;
}

export interface PretrainedOptions {
  /** torchvision's weights before timm's. */
  readonly torchvision?: boolean;
  readonly env?: Environment;
}

/** The file with a name's published weights, if it is on this machine. Nothing is downloaded. */
export async function findPretrained(name: string, options: PretrainedOptions = {}): Promise<string | undefined> {
  const { env = process.env, torchvision } = options;
  const [first, second] = torchvision ? [inTorchHub, inHub] : [inHub, inTorchHub];
  return (await first(name, env)) ?? second(name, env);
}

/** Where a person gets them. */
export function pretrainedAdvice(name: string): string {
  if (findVariant(name)?.family === 'cifar-resnet') return '';
  const hub = `https://huggingface.co/timm/${name}`;
  const where = name.includes('.')
    ? `${hub}/resolve/main/model.safetensors`
    : `${hub}.TAG, which tag says who trained them`;
  return ` Weights that timm or torchvision have downloaded on this machine are found by themselves; timm's are at ${where}.`;
}

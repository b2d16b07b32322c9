/** A model from a person's own code as an exported program: Python runs their factory and torch.export, and nothing else. */
import { spawn } from 'node:child_process';
import { rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { UserError } from '../../common/errors.ts';
import type { RunContext } from '../../common/progress.ts';
import { makeFolderOf } from '../files/atomic-write.ts';

interface TraceRequest {
  /** `package.module:callable`, which gives a torch.nn.Module. */
  readonly module: string;
  /** Sizes of the input: `1x3x224x224`. */
  readonly input: string;
  readonly output: string;
  /** Folders that Python looks for the module in, beside its installed packages. */
  readonly paths: readonly string[];
  readonly python: string;
}

/**
 * What is run. Names come as arguments, never as program text. The batch is left open; where the code has a number of images in it, the
 * program is exported for that number.
 */
export const TRACE_SCRIPT = `import importlib, json, sys
target, sizes, output, paths = json.loads(sys.argv[1])
sys.path[:] = paths + [path for path in sys.path if path]
import torch
module, _, name = target.partition(":")
factory = importlib.import_module(module)
for part in name.split("."):
    factory = getattr(factory, part)
model = factory if isinstance(factory, torch.nn.Module) else factory()
if not isinstance(model, torch.nn.Module):
    raise SystemExit(f"{target} gives a {type(model).__name__}, no torch.nn.Module")
model = model.eval()
images = torch.rand(max(2, sizes[0]), *sizes[1:])
try:
    program = torch.export.export(model, (images,), dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=4096)},), strict=False)
except Exception as error:
    print(f"note: exported for {sizes[0]} images only: {str(error).splitlines()[0]}", file=sys.stderr)
    program = torch.export.export(model, (images[: sizes[0]],), strict=False)
torch.export.save(program, output)
`;

const TARGET = /^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$/;
/** Of what Python writes, so much is kept for a message. */
const KEPT_TEXT = 64 << 10;

function sizesOf(input: string): readonly number[] {
  const sizes = input.split(/[x×]/).map(Number);
  if (sizes.length !== 4 || !sizes.every((size) => Number.isInteger(size) && size > 0 && size < 1 << 16))
    throw new UserError(`--input ${input} cannot be read: give the sizes of a batch of images, as 1x3x224x224.`);
  return sizes;
}

/** How the person who asked chooses a Python, and says where a module lies: with flags, or in the editor. */
export interface TraceWords {
  readonly python: string;
  readonly path: string;
}

const FLAGS: TraceWords = {
  python: 'choose another with --python',
  path: 'say where it lies with --path FOLDER, or install it',
};

/** Errors of torch.export that people meet, and what to do about each. */
const explanations: readonly (readonly [RegExp, string | ((words: TraceWords) => string)])[] = [
  [/No module named 'torch'/, ({ python }) => `PyTorch is not installed in this Python: ${python}.`],
  [/No module named '([\w.]+)'/, ({ path }) => `Python does not find that module: ${path}.`],
  [
    /GuardOnDataDependentSymNode|data-dependent/i,
    'its code decides by the values of what it computes, which an exported program cannot: write that part with torch.where or torch.cond.',
  ],
  [/has no attribute/, 'the name after the colon is not in that module.'],
  [
    /missing \d+ required positional argument/,
    'the callable needs arguments: write a function without any that builds the model.',
  ],
];

/** The last line of a traceback, and what it means. */
function explainTrace(stderr: string, target: string, words: TraceWords): string {
  const lines = stderr.split('\n').filter((line) => line.trim());
  const error =
    lines.findLast((line) => /^[\w.]*(Error|Exception|Exit|Node)\b.*|^[A-Z]\w+: /.test(line)) ??
    lines.at(-1) ??
    'it said nothing';
  const known = explanations.find(([pattern]) => pattern.test(stderr));
  const advice = typeof known?.[1] === 'function' ? known[1](words) : (known?.[1] ?? '');
  const said = `${target} cannot be exported: ${error.trim().slice(0, 500)}`;
  return advice ? `${said}. ${advice[0].toUpperCase()}${advice.slice(1)}` : said;
}

/**
 * Writes the exported program to `output`.
 * @returns what Python said that the person should know
 * @throws UserError with Python's reason
 */
export async function traceModule(
  request: TraceRequest,
  { signal }: RunContext = {},
  words: TraceWords = FLAGS,
): Promise<readonly string[]> {
  const { module, output, python } = request;
  if (!TARGET.test(module)) throw new UserError(`--module ${module} cannot be read: give package.module:callable.`);
  const sizes = sizesOf(request.input);
  if (!/\.pt2$/i.test(output)) throw new UserError(`${output}: an exported program is called something.pt2.`);
  await makeFolderOf(output);
  const target = path.resolve(output);
  // torch.export.save writes in place: a run that fails leaves nothing behind.
  const temporary = path.join(path.dirname(target), `.${path.basename(target, '.pt2')}.${process.pid}.pt2`);
  const given = JSON.stringify([module, sizes, temporary, request.paths.map((folder) => path.resolve(folder))]);
  try {
    const { code, stderr } = await runPython(python, ['-c', TRACE_SCRIPT, given], words, signal);
    if (code !== 0) throw new UserError(explainTrace(stderr, module, words));
    await rename(temporary, target);
    return stderr.split('\n').filter((line) => line.startsWith('note: '));
  } finally {
    await rm(temporary, { force: true });
  }
}

function runPython(
  python: string,
  given: readonly string[],
  words: TraceWords,
  signal?: AbortSignal,
): Promise<{ code: number | null; stderr: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(python, given, { stdio: ['ignore', 'ignore', 'pipe'], ...(signal && { signal }) });
    let stderr = '';
    child.stderr.setEncoding('utf8');
    child.stderr.on('data', (text: string) => {
      stderr = (stderr + text).slice(-KEPT_TEXT);
    });
    child.on('error', (error) => {
      reject(
        signal?.aborted ? signal.reason : new UserError(`${python} cannot be run: ${error.message}; ${words.python}.`),
      );
    });
    child.on('close', (code) => resolve({ code, stderr }));
  });
}

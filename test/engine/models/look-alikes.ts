/** Whether the state dict of a network of timm or torchvision opens as what it is. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { UserError } from '../../../src/common/errors.ts';
import { type ModelRequest, openModel } from '../../../src/engine/jobs/opening/model.ts';
import { image } from '../../support/detfill.ts';
import { logitsOf, relativeDifference } from '../../support/logits.ts';
import { PYTHON } from '../../support/python.ts';

/** A file's name that says nothing of the network. */
const NEUTRAL = 'checkpoint.pth';
/** Share of the largest logit. */
const TOLERANCE = 1e-4;

/** `wrong`: other logits than PyTorch's, and not told that it may be something else. */
export interface Verdict {
  readonly name: string;
  readonly verdict: 'right' | 'refused' | 'told' | 'wrong' | 'not run';
  readonly detail: string;
}

interface Made {
  readonly name: string;
  readonly side: number;
  readonly logits: readonly number[];
  readonly error?: string;
}

type Opened = { readonly difference: number; readonly notes: readonly string[] } | { readonly refused: string };

async function open(request: ModelRequest, logits: readonly number[]): Promise<Opened> {
  try {
    const { graph, weights, notes } = await openModel(request);
    return { difference: relativeDifference(await logitsOf(graph, await weights()), logits), notes };
  } catch (error) {
    if (error instanceof UserError) return { refused: error.message };
    throw error;
  }
}

/** Opened by itself it must be right, refused, or told to be possibly this name, which then must be right or refused. */
async function judge(folder: string, made: Made): Promise<Verdict> {
  const { name, side, logits } = made;
  const [, model] = name.split(':');
  const neutral = path.join(folder, NEUTRAL);
  const inputSize = side;
  renameSync(path.join(folder, `${name}.pth`), neutral);
  const verdict = (kind: Verdict['verdict'], detail: string): Verdict => ({ name, verdict: kind, detail });
  const found = await open({ model: neutral, inputSize }, logits);
  if ('refused' in found) return verdict('refused', found.refused);
  const difference = found.difference.toExponential(1);
  if (found.difference < TOLERANCE) return verdict('right', difference);
  const isTold = found.notes.some((note) => note.split(/[ ,;]+/).includes(model));
  if (!isTold) return verdict('wrong', `${difference} off; ${found.notes.join('; ')}`);
  const named = await open({ model, ckpt: neutral, inputSize }, logits);
  if ('refused' in named) return verdict('told', `by name refused: ${named.refused}`);
  if (named.difference < TOLERANCE) return verdict('told', `by name ${named.difference.toExponential(1)}`);
  return verdict('wrong', `by name ${named.difference.toExponential(1)} off`);
}

export const SCRIPT = path.resolve(import.meta.dirname, 'look_alikes.py');
/** Sides of the images that the networks take. */
const SIDES = [32, 56, 64, 128, 224, 256, 384, 512, 518];

/** Answers of the script, one for each line that it is given. */
class Maker {
  readonly #process: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: AsyncIterator<string>;

  constructor(folder: string) {
    this.#process = spawn(PYTHON, [SCRIPT, folder], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#lines = createInterface(this.#process.stdout)[Symbol.asyncIterator]();
  }

  async make(name: string): Promise<Made> {
    this.#process.stdin.write(`${name}\n`);
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(`${SCRIPT} ended before it had made ${name}`);
    return JSON.parse(value) as Made;
  }

  end(): void {
    this.#process.stdin.end();
  }
}

/** Makes and judges networks one by one; `folder` holds one state dict at a time. */
export async function* judgeAll(folder: string, names: readonly string[]): AsyncGenerator<Verdict> {
  for (const side of SIDES) writeFileSync(path.join(folder, `${side}.input`), image([1, 3, side, side]).data);
  const maker = new Maker(folder);
  try {
    for (const name of names) {
      const made = await maker.make(name);
      if (made.error) yield { name, verdict: 'not run', detail: made.error };
      else yield await judge(folder, made);
      rmSync(path.join(folder, NEUTRAL), { force: true });
    }
  } finally {
    maker.end();
  }
}

/** Weights as PyTorch files hold them, written by the tests' own pickler. */
import type { Tensor, Weights } from '../../../src/engine/graph/tensor.ts';
import { instance, type Piece, type Writable } from '../checkpoint/pickle-writer.ts';
import { storage, type TestStorage, tensor, torchZip } from '../checkpoint/torch-files.ts';

/** State dicts that go into one file: each tensor has a storage of its own. */
export class StateFile {
  readonly #storages: TestStorage[] = [];

  /** Entries of a state dict, by name; `rename` says under which names they are saved. */
  entries(weights: Weights, rename: (name: string) => string = (name) => name): Record<string, Piece> {
    return Object.fromEntries([...weights].map(([name, value]) => [rename(name), this.#tensor(value)]));
  }

  #tensor({ dtype, shape, data }: Tensor): Piece {
    const from = storage(dtype === 'int64' ? 'LongStorage' : 'FloatStorage', String(this.#storages.length), data);
    this.#storages.push(from);
    return tensor(from, shape);
  }

  /** The bytes of `torch.save(root)`. */
  save(root: Writable): Buffer {
    return torchZip(root, this.#storages);
  }
}

/** What argparse leaves in training checkpoints. */
export const namespace = (values: { readonly [name: string]: Writable }): Piece =>
  instance('argparse', 'Namespace', values);

/** Where the modules of a pickled network stand in the Graph: by the names of their parameters, which may be another library's. */
import { timmNames } from '../other-names.ts';
import type { ModuleRecord } from '../torch/module-record.ts';

const join = (path: string, name: string): string => (path ? `${path}.${name}` : name);
const parentOf = (path: string): string => path.slice(0, Math.max(path.lastIndexOf('.'), 0));

/** A module and all within it, outermost first. */
export function* modulesOf(record: ModuleRecord): Generator<ModuleRecord> {
  yield record;
  for (const child of record.children.values()) yield* modulesOf(child);
}

const tensorsOf = ({ path, parameters, buffers }: ModuleRecord): string[] =>
  [...parameters, ...buffers].map((name) => join(path, name));

/** The longest path that all of these lie in. */
function commonPath(paths: readonly string[]): string {
  const [first = '', ...rest] = paths.map((path) => path.split('.'));
  if (!Array.isArray(first)) return '';
  let length = first.length;
  for (const other of rest) while (first.slice(0, length).some((part, i) => other[i] !== part)) length--;
  return first.slice(0, length).join('.');
}

export class RecordPaths {
  /** State-dict names as the Graph has them, by those of the record. */
  readonly #names = new Map<string, string>();
  readonly #paths = new Map<ModuleRecord, string>();

  constructor(root: ModuleRecord) {
    const modules = [...modulesOf(root)];
    const own = modules.flatMap(tensorsOf);
    for (const [renamed, name] of timmNames(new Map(own.map((name) => [name, name]))).entries)
      this.#names.set(name, renamed);
    for (const module of modules) this.#paths.set(module, module === root ? '' : this.#place(module));
  }

  /** Names of a module's own tensors in the Graph. */
  tensors(module: ModuleRecord): readonly string[] {
    return tensorsOf(module).map((name) => this.#names.get(name) ?? name);
  }

  /** Path of a module in the Graph; that in the record for one without parameters. */
  path(module: ModuleRecord): string {
    return this.#paths.get(module) ?? module.path;
  }

  #place(module: ModuleRecord): string {
    const inside = [...modulesOf(module)].flatMap(tensorsOf);
    const renamed = inside.map((name) => this.#names.get(name) ?? name);
    return renamed.some((name, i) => name !== inside[i]) ? commonPath(renamed.map(parentOf)) : module.path;
  }
}

/** An exported program as a Graph with weights under the names of its state dict. */
import { type Graph, type GraphNode, isClassifier } from '../../graph/graph.ts';
import type { OutputPlace } from '../../graph/output-places.ts';
import type { Tensor, Weights } from '../../graph/tensor.ts';
import { type ImportOptions, importOnnx, type KeptOperation, plainName } from '../onnx/import.ts';
import type { Pt2File } from './pt2-file.ts';
import { translateProgram } from './translate.ts';

export interface ImportedProgram {
  /** Family `pt2`. */
  readonly graph: Graph;
  readonly notes: readonly string[];
  /** Operations that stay as they are because nothing is known of them. */
  readonly kept: readonly KeptOperation[];
  weights(): Weights;
}

/** @throws UserError naming the file and what is in the way */
export function importPt2(file: Pt2File, options: ImportOptions): ImportedProgram {
  const { model, kept: untranslated, modules, places } = translateProgram(options.file, file);
  const imported = importOnnx(model, { ...options, namesAreExact: true, family: 'pt2' });
  const kept = [...untranslated, ...imported.kept];
  const graph = withPlaces(withCounters(withClasses(imported.graph, modules), file), places);
  const counters = graph.parameters.filter(({ dtype }) => dtype === 'int64').map(({ name }) => name);
  return {
    graph,
    kept,
    notes: [...imported.notes, ...kept.map(describeKept)],
    weights: () => {
      const found = new Map<string, Tensor>(imported.weights());
      for (const name of counters) {
        const tensor = file.tensors.get(name);
        if (tensor) found.set(name, tensor.read());
      }
      return new Map(
        graph.parameters.flatMap(({ name }) => (found.has(name) ? [[name, found.get(name) as Tensor]] : [])),
      );
    },
  };
}

const describeKept = ({ operation, module, reason }: KeptOperation): string =>
  `${operation} in ${module || 'the network itself'} cannot be taken over (${reason}): what it touches is not pruned, and the network does not run here`;

/** Modules with the classes that the file names. */
function withClasses(graph: Graph, classes: ReadonlyMap<string, string>): Graph {
  const modules = graph.modules.map(({ path, type }) => ({ path, type: classes.get(path) || type }));
  return { ...graph, modules };
}

/** Outputs with their places in what the module returns; those of a dictionary have its keys as names. */
function withPlaces(graph: Graph, places: ReadonlyMap<string, readonly OutputPlace[]>): Graph {
  const byName = new Map([...places].map(([name, found]) => [plainName(name), found]));
  const [only] = places.size === 1 ? places.values() : [];
  const all = [...places.values()];
  if (all.every((found, i) => found.length === 1 && found[0].join() === (only ? '' : String(i)))) return graph;
  const outputs = graph.outputs.map((output) => {
    const found = only ?? byName.get(output.name);
    if (!found) return output;
    const key = found[0].join('.');
    const isKey =
      typeof found[0][0] === 'string' && !isClassifier(graph) && !graph.outputs.some(({ name }) => name === key);
    return { ...output, ...(isKey && { name: key }), places: found };
  });
  return { ...graph, outputs };
}

/** Batch norms with their counters, which no call of the program takes, all parameters in the state dict's order. */
function withCounters(graph: Graph, { tensors }: Pt2File): Graph {
  const counterOf = (node: GraphNode): string | undefined => {
    const weight = node.kind === 'batchNorm' ? node.parameters.weight : undefined;
    const name = weight?.replace(/weight$/, 'num_batches_tracked');
    return name !== undefined && tensors.get(name)?.dtype === 'int64' ? name : undefined;
  };
  const nodes = graph.nodes.map((node): GraphNode => {
    const batchCount = counterOf(node);
    return batchCount === undefined ? node : ({ ...node, parameters: { ...node.parameters, batchCount } } as GraphNode);
  });
  const names = new Set(graph.nodes.flatMap((node) => counterOf(node) ?? []));
  const counters = [...names].map((name) => ({ name, shape: [], dtype: 'int64' as const, trainable: false }));
  const order = new Map([...tensors.keys()].map((name, i) => [name, i]));
  const place = (name: string): number => order.get(name) ?? order.size;
  const parameters = [...graph.parameters, ...counters].toSorted((a, b) => place(a.name) - place(b.name));
  return { ...graph, nodes, parameters };
}

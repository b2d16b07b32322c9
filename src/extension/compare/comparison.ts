/** What was measured of the workspace's models: the rows of the comparison. */
import * as vscode from 'vscode';
import type { CompareRow, CompareView } from '../../protocol/panels.ts';
import type { EvaluationResult } from '../../protocol/values.ts';
import { distinctTitles } from '../model/distinct-titles.ts';
import type { ModelLibrary } from '../model/model-library.ts';
import { modelKey, modelTitle } from '../model/model-uri.ts';
import type { ComparisonRow, Memory } from '../workspace-memory.ts';

export class Comparison implements vscode.Disposable {
  private readonly changes = new vscode.EventEmitter<void>();
  readonly onDidChange = this.changes.event;

  constructor(
    private readonly memory: Memory,
    private readonly library: ModelLibrary,
  ) {}

  /** Adds what was measured, in the place of what was measured of the same model on the same images. */
  async add(result: EvaluationResult, predictionsFile?: string): Promise<void> {
    const row: ComparisonRow = { result, predictionsFile };
    const others = this.rows.filter((known) => rowId(known) !== rowId(row));
    await this.write([...others, row]);
  }

  async remove(id: string): Promise<void> {
    await this.write(this.rows.filter((row) => rowId(row) !== id));
  }

  async setBaseline(id: string): Promise<void> {
    await this.memory.set('baseline', id);
    this.changes.fire();
  }

  /** The newest figures of a model. */
  of(key: string): ComparisonRow['result'] | undefined {
    return this.rows.filter(({ result }) => modelKey(result.source) === key).at(-1)?.result;
  }

  /** Top-1 of a model on these images, where it was measured. */
  top1Of(key: string, dataPath: string): number | undefined {
    return this.rows.findLast(({ result }) => modelKey(result.source) === key && result.dataPath === dataPath)?.result
      .top1;
  }

  get view(): CompareView {
    const titles = this.titles();
    const rows = this.rows.map((row): CompareRow => {
      const parentFile = this.library.find(row.result.source)?.info?.lineage?.parent;
      const parent = this.rows.find(
        ({ result }) =>
          result.source.kind === 'file' && result.source.path === parentFile && sameImages(result, row.result),
      );
      return {
        ...row.result,
        id: rowId(row),
        label: titles.get(modelKey(row.result.source)) ?? modelTitle(row.result.source),
        parent: parent && rowId(parent),
        canCompareImages: row.predictionsFile !== undefined,
      };
    });
    const baseline = this.memory.get('baseline');
    return { rows, baseline: rows.some(({ id }) => id === baseline) ? (baseline ?? undefined) : rows[0]?.id };
  }

  /** Titles by model, no two alike: two runs on one model would be. */
  private titles(): ReadonlyMap<string, string> {
    const sources = new Map(this.rows.map(({ result: { source } }) => [modelKey(source), source]));
    const models = [...sources.values()].map((source) => ({
      title: modelTitle(source),
      ...(source.kind === 'file' && { file: source.path }),
    }));
    const titles = distinctTitles(models);
    return new Map([...sources.keys()].map((key, i) => [key, titles[i]]));
  }

  row(id: string): ComparisonRow | undefined {
    return this.rows.find((row) => rowId(row) === id);
  }

  private get rows(): readonly ComparisonRow[] {
    return this.memory.get('comparison');
  }

  private async write(rows: readonly ComparisonRow[]): Promise<void> {
    await this.memory.set('comparison', rows);
    this.changes.fire();
  }

  dispose(): void {
    this.changes.dispose();
  }
}

const rowId = ({ result }: ComparisonRow): string => [modelKey(result.source), result.dataPath, result.split].join('|');

export const sameImages = (
  a: Pick<EvaluationResult, 'dataPath' | 'split' | 'images'>,
  b: Pick<EvaluationResult, 'dataPath' | 'split' | 'images'>,
): boolean => a.dataPath === b.dataPath && a.split === b.split && a.images === b.images;

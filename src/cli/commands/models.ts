/** `espalier models`: every name that is known. */
import { formatPreciseCount } from '../../common/format.ts';
import { variants } from '../../engine/architectures/registry.ts';
import { graphCost } from '../../engine/graph/macs.ts';
import { command } from '../command.ts';
import { formatTable } from '../terminal.ts';

export const models = command({
  summary: 'list the models known by name, with MACs and parameters',
  readsOnly: true,
  usage: '',
  flags: {},
  run: async () => {
    const rows = variants.map((variant) => ({
      name: variant.name,
      family: variant.family,
      ...graphCost(variant.build()),
    }));
    const table = rows.map((r) => [
      r.name,
      r.family,
      `${formatPreciseCount(r.macs)}`,
      `${formatPreciseCount(r.params)}`,
    ]);
    return {
      json: { models: rows.map(({ macsTrue, ...row }) => ({ ...row, macs_true: macsTrue })) },
      text: formatTable([['model', 'family', 'MACs', 'params'], ...table]),
    };
  },
});

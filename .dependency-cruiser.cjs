// The layers of the source, lowest first: a folder may import itself and what its row names, nothing else of ours.
const layers = {
  graph: [],
  support: [],
  protocol: [],
  architectures: ['graph'],
  checkpoint: ['graph', 'architectures', 'support'],
  pruning: ['graph', 'support'],
  compute: ['graph', 'support'],
  data: ['graph', 'support'],
  training: ['graph', 'architectures', 'checkpoint', 'pruning', 'compute', 'data', 'evaluation', 'support'],
  evaluation: ['graph', 'compute', 'data', 'support'],
  export: ['graph', 'architectures', 'checkpoint', 'pruning', 'compute', 'data', 'support'],
  engine: ['graph', 'architectures', 'checkpoint', 'pruning', 'compute', 'data', 'training', 'evaluation', 'export', 'support'],
  worker: ['engine', 'graph', 'architectures', 'checkpoint', 'pruning', 'compute', 'data', 'training', 'evaluation', 'export', 'protocol', 'support'],
  cli: ['engine', 'graph', 'architectures', 'checkpoint', 'pruning', 'compute', 'data', 'training', 'evaluation', 'export', 'support'],
  extension: ['protocol'],
};
module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } } },
    ...Object.entries(layers).map(([folder, below]) => ({
      name: `${folder}-imports`,
      comment: `src/${folder} may import ${below.length ? below.join(', ') : 'nothing of ours'}`,
      severity: 'error',
      from: { path: `^src/${folder}/` },
      to: { path: '^(src|webview)/', pathNot: `^src/(${[folder, ...below].join('|')})/` },
    })),
    { name: 'webview-imports', severity: 'error', from: { path: '^webview/' }, to: { path: '^src/', pathNot: '^src/protocol/' } },
    { name: 'vscode-in-extension-only', severity: 'error', from: { path: '^src/', pathNot: '^src/extension/' }, to: { path: '^vscode$' } },
  ],
  options: { doNotFollow: { path: 'node_modules' }, tsConfig: { fileName: 'tsconfig.json' }, tsPreCompilationDeps: true },
};

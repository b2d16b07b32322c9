// Who may import whom. A folder may import itself and what its row names, nothing else of ours; folders inside src/engine are named alone.
const engine = {
  graph: [],
  protobuf: [],
  'onnx-format': ['graph', 'protobuf'],
  files: [],
  architectures: ['graph'],
  checkpoint: ['graph', 'architectures', 'files', 'protobuf'],
  pruning: ['graph'],
  compute: ['graph', 'protobuf', 'onnx-format', 'files'],
  data: ['files'],
  training: ['graph', 'architectures', 'checkpoint', 'pruning', 'compute', 'data', 'files'],
  export: ['graph', 'architectures', 'checkpoint', 'onnx-format', 'files'],
  jobs: ['graph', 'architectures', 'checkpoint', 'pruning', 'compute', 'data', 'training', 'export', 'files'],
};
// Processes. The host and the webviews see no numerics: common and protocol only.
const processes = {
  'src/common': [],
  'src/protocol': ['src/common'],
  'src/worker': ['src/common', 'src/protocol', 'src/engine'],
  'src/cli': ['src/common', 'src/engine'],
  'src/extension': ['src/common', 'src/protocol'],
  webview: ['src/common', 'src/protocol'],
};
const inside = (folders) => `^(${folders.join('|')})/`;
const rule = (folder, allowed) => ({
  name: `${folder}-imports`,
  comment: `${folder} may import ${allowed.length ? allowed.join(', ') : 'nothing of ours'}`,
  severity: 'error',
  from: { path: inside([folder]) },
  to: { path: '^(src|webview)/', pathNot: inside([folder, ...allowed]) },
});

module.exports = {
  forbidden: [
    {
      name: 'no-cycles',
      comment: 'of types neither',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    ...Object.entries(engine).map(([folder, below]) =>
      rule(`src/engine/${folder}`, ['src/common', ...below.map((name) => `src/engine/${name}`)]),
    ),
    ...Object.entries(processes).map(([folder, below]) => rule(folder, below)),
    {
      name: 'vscode-in-extension-only',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/extension/' },
      to: { path: '^vscode$' },
    },
    {
      name: 'common-and-webview-run-in-browsers',
      severity: 'error',
      from: { path: '^(src/common|src/protocol|webview)/' },
      to: { dependencyTypes: ['core'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
  },
};

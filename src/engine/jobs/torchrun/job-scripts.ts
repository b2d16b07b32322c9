/** What starts a job: run.sh for torchrun here, job.sbatch for SLURM, job.sky.yaml for SkyPilot; requirements and a page to read. */
import { UserError } from '../../../common/errors.ts';
import { type ShellCode, sh } from '../../export/shell-writer.ts';
import type { JobOptions, LaunchOptions } from './job-options.ts';
import { globalBatch, type JobRequest } from './job-request.ts';

/** What train.py is tested with. */
const REQUIREMENTS: Readonly<Record<string, string>> = { torch: '2.14.1', torchvision: '0.29.1' };

const PORT = 29500;

/** What is started, and how. */
export interface Started {
  /** The network's name. */
  readonly model: string;
  readonly program: 'train.py' | 'score.py';
  readonly launch: LaunchOptions;
  readonly job: Pick<JobOptions, 'distBackend'>;
  readonly dataPath: string;
}

/** A name that every engine takes. */
export const jobName = (model: string): string =>
  `espalier-${model
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '')
    .slice(0, 40)}`.replace(/-$/, '');

const torchrun = ({ python }: LaunchOptions): ShellCode => sh`${python} -m torch.distributed.run`;

/** On each of several machines: `sh run.sh`, with MASTER_ADDR. */
function rendezvous({ nodes }: LaunchOptions): ShellCode {
  if (nodes === 1) return sh`--standalone --nnodes=1`;
  return sh`--nnodes=${nodes} --rdzv-id=espalier --rdzv-backend=c10d \\
  --rdzv-endpoint="\${MASTER_ADDR:?set it to the name of the first machine}:\${MASTER_PORT:-${PORT}}"`;
}

function runScript({ launch, program }: Started): string {
  const { processes, maxRestarts } = launch;
  return sh`#!/bin/sh
# Starts the job on this machine; training goes on from the last checkpoint.
set -eu
cd -- "$(dirname -- "$0")"
rm -f order.json
exec ${torchrun(launch)} ${rendezvous(launch)} \\
  --nproc-per-node=${processes} --max-restarts=${maxRestarts} ${program}
`.toString();
}

/** Options that a person gave as `name=value`, as they may stand in a file. */
function optionsOf(flag: string, given: readonly string[]): [string, string][] {
  return given.map((text) => {
    const found = /^([A-Za-z][\w-]*)=([\w.,:=+@%/*[\]-]+)$/.exec(text);
    if (!found)
      throw new UserError(
        `--${flag} ${JSON.stringify(text)}: options are given as name=value, of letters, digits and . , : = + @ % / * [ ] _ - only.`,
      );
    return [found[1], found[2]];
  });
}

const GPU_OPTIONS = new Set(['gpus', 'gpus-per-node', 'gpus-per-task', 'gres']);

function sbatchScript({ model, launch, job, program }: Started): string {
  const { nodes, processes, maxRestarts, slurm } = launch;
  const given = optionsOf('slurm', slurm);
  const asksForGpus = job.distBackend === 'gloo' || given.some(([option]) => GPU_OPTIONS.has(option));
  const defaults: [string, string][] = [
    ['job-name', jobName(model)],
    ['nodes', String(nodes)],
    ['ntasks-per-node', '1'],
    ...(asksForGpus ? [] : ([['gpus-per-node', String(processes)]] as [string, string][])),
    ['output', 'slurm-%j.out'],
    ['open-mode', 'append'],
    // torchrun is told first, and train.py saves.
    ['signal', 'TERM@120'],
  ];
  const own = new Set(given.map(([option]) => option));
  const lines = [...defaults.filter(([option]) => !own.has(option)), ...given];
  return `#!/bin/bash
${lines.map(([option, value]) => `#SBATCH --${option}=${value}`).join('\n')}
#SBATCH --requeue

# sbatch job.sbatch, from this folder. Submitted again, it goes on from the last checkpoint.
set -eu
rm -f order.json
first=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
exec srun --kill-on-bad-exit=1 ${torchrun(launch)} \\
  --nnodes="$SLURM_NNODES" --nproc-per-node=${processes} --max-restarts=${maxRestarts} \\
  --rdzv-id="$SLURM_JOB_ID" --rdzv-backend=c10d --rdzv-endpoint="$first:${PORT}" ${program}
`;
}

/** A YAML scalar: JSON's strings are YAML's double-quoted ones. */
const yaml = (value: string): string =>
  JSON.stringify(value).replace(/[^ -~]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
/** As it is where YAML means a number or a truth value by it. */
const yamlOption = (value: string): string => (/^(true|false|\d+)$/.test(value) ? value : yaml(value));

function skyFile({ model, launch, program, dataPath }: Started): string {
  const { nodes, processes, maxRestarts, sky, dataSource } = launch;
  const resources = optionsOf('sky', sky).map(([option, value]) => `  ${option}: ${yamlOption(value)}`);
  const mounts =
    dataSource === undefined
      ? ''
      : `file_mounts:\n  ${yaml(dataPath)}:\n    source: ${yaml(dataSource)}\n    mode: MOUNT\n`;
  return `# sky launch -c ${jobName(model)} job.sky.yaml, from this folder
name: ${jobName(model)}
workdir: .
num_nodes: ${nodes}
${resources.length ? `resources:\n${resources.join('\n')}\n` : ''}${mounts}setup: |
  pip install -r requirements.txt
run: |
  rm -f order.json
  first=$(echo "$SKYPILOT_NODE_IPS" | head -n 1)
  exec torchrun --nnodes="$SKYPILOT_NUM_NODES" --node-rank="$SKYPILOT_NODE_RANK" \\
    --nproc-per-node=${processes} --max-restarts=${maxRestarts} \\
    --master-addr="$first" --master-port=${PORT} ${program}
`;
}

const plural = (n: number, one: string): string => `${n} ${one}${n === 1 ? '' : /s$/.test(one) ? 'es' : 's'}`;

/** The page of a training job. */
export function trainingPage(name: string, asked: JobRequest): string {
  const { nodes, processes } = asked.launch;
  const { batchSize } = asked.request.options;
  const { gradAccumSteps } = asked.job;
  const parts = gradAccumSteps === 1 ? '' : ` × ${gradAccumSteps} batches`;
  return `# Finetuning ${name.replace(/[^\w.-]/g, '_')}

Written by Espalier; it needs Python with PyTorch and torchvision (\`pip install -r requirements.txt\`) and nothing else.

| where | start | stop |
|---|---|---|
| this machine | \`sh run.sh\` | Ctrl-C, or \`espalier job --stop .\` |
| SLURM | \`sbatch job.sbatch\` | \`scancel JOB\` |
| SkyPilot | \`sky launch -c ${jobName(name)} job.sky.yaml\` | \`sky down ${jobName(name)}\` |

It is for ${plural(nodes, 'machine')} with ${plural(processes, 'process')} each, a process a GPU: ${batchSize} images a process${parts}, ${globalBatch(asked)} a step. With another number of processes it refuses to start, because batch and learning rate belong to that number; \`espalier job --from job.json --processes N --output DIR\` makes another.

Started again after it was stopped or killed, it goes on from \`latest.safetensors\`, which is written after every epoch and every ${asked.request.options.saveInterval} minutes within one.

| file | what it is |
|---|---|
| \`model.py\`, \`weights.safetensors\` | the network and the weights that it starts from; \`teacher.py\`, \`teacher.safetensors\` where it is distilled |
| \`job.json\` | every setting: what train.py reads, and enough to make this folder again |
| \`train.py\`, \`recipe.py\`, \`images.py\`, \`run_folder.py\` | the program: loop, what a step is made of, images, files |
| \`metrics.jsonl\` | a line a step and epoch, as it runs |
| \`best.safetensors\`, \`latest.safetensors\` | weights of the best epoch, and everything of the last; both open in Espalier |
| \`run.json\` | how it goes: running, stopped, failed or done |
`;
}

/** The page of a scoring job. */
export const scoringPage = (
  model: string,
  criterion: string,
): string => `# ${criterion} gradients of ${model.replace(/[^\w.-]/g, '_')}

Written by Espalier; it needs Python with PyTorch and torchvision (\`pip install -r requirements.txt\`) and nothing else.

Start it with \`sh run.sh\`, \`sbatch job.sbatch\` or \`sky launch -c ${jobName(model)} job.sky.yaml\`. It writes \`gradients.safetensors\`, with which the network is pruned: \`espalier prune --gradients gradients.safetensors --pruning-type ${criterion} …\`.

\`score.py\` computes them, from \`model.py\` and \`weights.safetensors\`, on the images that \`job.json\` names.
`;

/** Texts by file name. @throws UserError for options of an engine that cannot stand in its file */
export function jobScripts(started: Started): Readonly<Record<string, string>> {
  const pinned = Object.entries(REQUIREMENTS).map(([one, version]) => `${one}==${version}`);
  return {
    'run.sh': runScript(started),
    'job.sbatch': sbatchScript(started),
    'job.sky.yaml': skyFile(started),
    'requirements.txt': `${pinned.join('\n')}\n`,
  };
}

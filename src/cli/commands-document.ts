/** All commands with their flags as Markdown: docs/commands.md is this text, and a test holds it to that. */
import { formatFlags } from '../common/flags.ts';
import { commands } from './command-table.ts';

const INTRODUCTION = `# Commands

\`node dist/espalier.cjs COMMAND …\`, or \`espalier COMMAND …\` where it is installed. \`--json\` prints one JSON object as the last line of stdout; everything else a person may want to read goes to stderr. Exit code 0: done; 1: failed, the reason is on stderr; 2: bad usage. Flags may be shortened as in Python's argparse, and \`_\` may stand for \`-\`.

A model is a name (timm's or torchvision's; a tag after its dot only names weights) or a checkpoint file: \`.safetensors\`, \`.onnx\`, or \`.pth .pt .th .bin\` in any form that PyTorch saves. A name's weights are those of \`--ckpt\`; without it, \`evaluate\`, \`prune\` and \`export\` take what timm or torchvision have downloaded on this machine before (Hugging Face's cache, torch.hub's), and download nothing. Tensors under torchvision's names for ViT, Swin and RegNet, or under the Swin and ConvNeXt authors', are taken as timm's. Images lie in \`train/\` and \`val/\` (or \`test/\`) with a folder for each class.
`;

export function commandsDocument(): string {
  const sections = Object.entries(commands).map(([name, { summary, usage, flags }]) => {
    const options = formatFlags(flags);
    const heading = `## ${name}\n\n\`espalier ${`${name} ${usage}`.trim()}\`\n\n${summary}.\n`;
    return options ? `${heading}\n\`\`\`\n${options}\n\`\`\`\n` : heading;
  });
  return [INTRODUCTION, ...sections].join('\n');
}

/** Arguments of the authors' pruning and evaluation scripts, line by line (github.com/VainF/Isomorphic-Pruning, scripts/). */
const shared =
  '--data-path data/imagenet --pruning-type taylor --train-batch-size 64 --val-batch-size 64 --global-pruning --val-resize 256';
const out = (name: string): string => `--save-as output/pruned/${name}.pth`;

export const PRUNING_SCRIPTS: readonly string[] = [
  `${shared} --model convnext_base.fb_in1k --pruning-ratio 0.25 --taylor-batchs 50 ${out('convnext_4.2G')} --interpolation bicubic --remove-layers 18 --round-to 2 --drop-path 0.1`,
  `${shared} --model convnext_base.fb_in1k --pruning-ratio 0.26 --taylor-batchs 50 ${out('convnext_8.5G')} --interpolation bicubic --round-to 2 --drop 0.1 --drop-path 0.4`,
  `${shared} --model deit_tiny_distilled_patch16_224.fb_in1k --pruning-ratio 0.25 --head-pruning-ratio 0.3 --head-dim-pruning-ratio 0.3 --taylor-batchs 50 ${out('deit_0.6G')}`,
  `${shared} --model deit_small_distilled_patch16_224.fb_in1k --pruning-ratio 0.5 --head-pruning-ratio 0.5 --head-dim-pruning-ratio 0.1 --taylor-batchs 50 ${out('deit_1.2G')}`,
  `${shared} --model deit_base_distilled_patch16_224.fb_in1k --pruning-ratio 0.6 --head-pruning-ratio 0.6 --head-dim-pruning-ratio 0.3 --taylor-batchs 50 ${out('deit_2.6G')}`,
  `${shared} --model deit_base_distilled_patch16_224.fb_in1k --pruning-ratio 0.5 --head-pruning-ratio 0.5 --head-dim-pruning-ratio 0.25 --taylor-batchs 50 ${out('deit_4.2G')}`,
  `${shared} --model mobilenet_v2 --is-torchvision --pruning-ratio 0.27 ${out('mobilenet_v2_0.15G')} --interpolation bilinear`,
  `${shared} --model resnet101.tv_in1k --pruning-ratio 0.28 --taylor-batchs 100 ${out('resnet101_3.8G')} --interpolation bilinear --round-to 2 --drop 0.1`,
  `${shared} --model resnet101.tv_in1k --pruning-ratio 0.22 --taylor-batchs 100 ${out('resnet101_4.5G')} --interpolation bilinear --round-to 2 --drop 0.1`,
  `${shared} --model resnet152.tv_in1k --pruning-ratio 0.40 --taylor-batchs 100 ${out('resnet152_4.0G')} --interpolation bilinear --round-to 2 --drop 0.1`,
  `${shared} --model resnet50.tv_in1k --pruning-ratio 0.26 --taylor-batchs 50 ${out('resnet50_2.0G')} --interpolation bicubic --round-to 2 --drop 0.1`,
  `${shared} --model swin_base_patch4_window7_224.ms_in1k --pruning-ratio 0.47 --taylor-batchs 50 ${out('swin_4.5G')} --head-pruning-ratio 0.0`,
  // Every other option that prune.py has.
  '--model resnet50 --ckpt resnet50.pth --no-imagenet-mean-std --input-size 224 --test-accuracy --normalizer mean --no-isomorphic --stochastic-depth-prob 0.5 --pruning-type hessian',
];

export const EVALUATION_SCRIPTS: readonly string[] = [
  ...['base', 'small', 'tiny'].map(
    (size) => `--data-path data/imagenet --model convnext_${size}.fb_in1k --interpolation bicubic --val-resize 256`,
  ),
  ...['base', 'small', 'tiny'].map(
    (size) =>
      `--data-path data/imagenet --model deit_${size}_distilled_patch16_224.fb_in1k --val-resize 256 --interpolation bicubic`,
  ),
  '--data-path data/imagenet --model mobilenet_v2 --is-torchvision --interpolation bilinear --val-resize 256',
  ...[101, 152, 50].map(
    (depth) => `--data-path data/imagenet --model resnet${depth}.tv_in1k --interpolation bilinear --val-resize 256`,
  ),
  ...['base', 'tiny'].map((size) => `--data-path data/imagenet --model swin_${size}_patch4_window7_224.ms_in1k`),
  '--model pretrained/deit_4.2G_isomorphic.pth --interpolation bicubic',
  // Every other option that evaluate.py has.
  '--model resnet50 --ckpt resnet50.pth --disable-imagenet-mean-std --train-batch-size 64 --val-batch-size 64',
];

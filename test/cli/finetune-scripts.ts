/** The command lines of the authors' finetuning scripts (scripts/finetuning/*.sh), after `torchrun … train.py`. */
const deit = (size: string, batch: number): string =>
  `--model output/pruned/deit_${size}.pth --teacher-model regnety_160.deit_in1k --epochs 300 --batch-size ${batch} --opt adamw --lr 0.0005 --wd 0.05 --lr-scheduler cosineannealinglr --lr-warmup-method linear --lr-warmup-epochs 0 --lr-warmup-decay 0.033 --amp --label-smoothing 0.1 --mixup-alpha 0.8 --auto-augment ra --ra-sampler --random-erase 0.25 --cutmix-alpha 1.0 --data-path data/imagenet --output-dir output/finetuned/deit_${size} --interpolation bicubic`;
const resnet = (model: string, batch: number): string =>
  `--data-path data/imagenet --model output/pruned/${model}.pth --epochs 100 --batch-size ${batch} --opt sgd --lr-scheduler steplr --lr-step-size 30 --lr 0.04 --weight-decay 1e-4 --amp --output output/finetuned/${model} --val-resize 256 --interpolation bilinear`;
const convnext = (size: string, batch: string, drop: string, output: string, more: string): string =>
  `--data-dir data/imagenet --model convnext_base.fb_in1k --pruned-model output/pruned/convnext_${size}.pth --epochs 300 --batch-size ${batch} --weight-decay 0.05 --sched cosine --amp --smoothing 0.1 --aa rand-m9-mstd0.5-inc1 --reprob 0.25 --drop-path ${drop} --drop 0.1 --mixup 0.2 --cutmix 1.0 --output output/${output} --model-ema --model-ema-decay 0.9999 ${more}`;

/** Script by its name; resnet50_2.0G.sh names another network's file, as the authors left it. */
export const FINETUNING_SCRIPTS = {
  'deit_0.6G.sh': deit('0.6G', 512),
  'deit_1.2G.sh': deit('1.2G', 256),
  'deit_2.6G.sh': deit('2.6G', 256),
  'deit_4.2G.sh': deit('4.2G', 256),
  'resnet101_3.8G.sh': resnet('resnet101_3.8G', 256),
  'resnet101_4.5G.sh': resnet('resnet101_4.5G', 256),
  'resnet152_4.0G.sh': resnet('resnet152_4.0G', 256),
  'resnet50_2.0G.sh': resnet('resnet152_4.0G', 64),
  'mobilenet_v2_0.15G.sh':
    '--model output/pruned/mobilenet_v2_0.15G.pth --epochs 300 --batch-size 512 --wd 0.00002 --lr=0.036 --lr-scheduler=cosineannealinglr --lr-warmup-epochs=0 --output-dir output/finetuned/mobilenet_v2_0.15G --interpolation bilinear --amp',
  'convnext_4.2G_official_script.sh': convnext(
    '4.2G',
    '256 --opt adamw --lr 2e-3',
    '0.1',
    'finetuned/connext_4.2G',
    '--color-jitter 0.0',
  ),
  'convnext_8.5G_official_script.sh': convnext(
    '8.5G',
    '128 --opt adamw --lr 2e-3 --grad-accum-steps 2',
    '0.4',
    'convnext_8.5G',
    '--color-jitter 0.4 --interpolation bicubic --train-interpolation bicubic',
  ),
} as const satisfies Readonly<Record<string, string>>;
export type ScriptName = keyof typeof FINETUNING_SCRIPTS;

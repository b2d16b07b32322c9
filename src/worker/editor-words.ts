/** Advice of the engine in the editor's words: it names flags, where the editor has buttons, settings and a settings file. */

/** Whole phrases first: what they say has another form in the editor, or is nothing that it offers. */
const PHRASES: readonly (readonly [said: RegExp, here: string])[] = [
  [
    /Give --data-path the folder that holds train\/ and val\//,
    'Choose the folder that holds train/ and val/ with "Select Data Set…"',
  ],
  [/--data-path takes the folder/, '"Select Data Set…" takes the folder'],
  [/images \(--data-path\) or gradients \(--gradients\)/, 'images: choose them with "Select Data Set…"'],
  [/give --data-path or --gradients/, 'choose images with "Select Data Set…"'],
  [/ \(l1, l2, random\), or --gradients FILE, work/, ' (l1, l2, random) work'],
  [/\(l1, l2, random, --gradients FILE\)/, '(l1, l2, random)'],
  [/, or name its classes in order with --synsets FILE/, ''],
  [/, or name the classes in the order of the outputs with --synsets FILE/, ''],
  [/: give a checkpoint with --ckpt, or open a file/, ': open a checkpoint of it'],
  [/,? ?\(--use-ema\)/, ''],
  [/ ?Give them with --heads: one number, or one a layer\./, ' Open the file again and choose them.'],
  [/: leave --device gpu out/, ': set espalier.device to cpu'],
  [/: give its checkpoint with --teacher-ckpt, or a file/, ': give its checkpoint as "teacher-ckpt"'],
  [
    /, or say with --commands \w+=… how it is called here/,
    ', or say in the setting espalier.jobs.commands how it is called here',
  ],
  [
    /: install it, or say with --commands (\w+)=… how it is called here/,
    ': install it, or add "$1=…" to the setting espalier.jobs.commands',
  ],
  [/[Oo]r make the job with (another )?--python/, 'or set espalier.jobs.python to $1Python'],
  [/make the job with --python/, 'set espalier.jobs.python to another Python'],
  [/make it with --processes (\d+)/, 'choose $1 processes a machine under "Where"'],
  [/correct the options of sbatch \(--slurm\)/, 'correct the setting espalier.jobs.slurm'],
  [/correct SkyPilot's resources \(--sky\)/, 'correct the setting espalier.jobs.skypilot'],
  [/make the job with a (larger|lower|smaller) --/, 'start again with a $1 --'],
  [/make the job anew with --data-path/, 'choose other images ("Select Data Set…", or "Images there" of the job)'],
  [/, or make the job with --synsets FILE/, ''],
  [/make the job with --synsets FILE/, 'choose images of the classes that it knows'],
  [/make the job with fewer --processes/, 'choose fewer processes under "Where"'],
  [/make the job with --processes/, 'choose as many processes under "Where"'],
  [/[`"]espalier runtime install(?: --(?:force|variant gpu))?[`"]/, 'the command "Install TensorFlow Runtime"'],
  [/--backend (\w+), in the editor the setting espalier\.backend/, 'the setting espalier.backend'],
];

/** Any other flag is a field of the settings file, which has its name without dashes. */
export function inEditorWords(message: string): string {
  const said = PHRASES.reduce((text, [phrase, here]) => text.replace(phrase, here), message);
  return said.replace(/(^|[\s(`"])--([a-z][a-z-]*[a-z])\b/g, '$1"$2"').replaceAll('""', '"');
}

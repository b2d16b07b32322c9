/** Work that begins with JPEG files. */

interface FileWork {
  readonly name: string;
  readonly files: readonly string[];
}

/** Decode, resize to 256, crop 224: one image after the other, one thread. */
export interface DecodeTask extends FileWork {
  readonly kind: 'decode';
}

/** A network's evaluation, fed from files and from memory. */
export interface EvaluateTask extends FileWork {
  readonly kind: 'evaluate';
  readonly model: string;
  readonly batch: number;
}

/** The DeiT recipe's augmentation alone, and a finetuning fed from files and from memory. */
export interface FinetuneTask extends FileWork {
  readonly kind: 'finetune';
  readonly model: string;
  readonly batch: number;
}

export type FileTask = DecodeTask | EvaluateTask | FinetuneTask;

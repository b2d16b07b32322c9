/** The forms in which detectors of the YOLO families give their boxes, and boxes from them. */
import { UserError } from '../../../common/errors.ts';
import type { Shape } from '../../graph/operations.ts';
import type { OutputSpec } from '../output-statistics.ts';
import type { Detection } from './boxes.ts';

/** Boxes of one image in pixels of the network's square: centre, width, height; and a score for each class. */
type Emit = (x: number, y: number, width: number, height: number, label: number, score: number) => void;

interface Form {
  /** For the person. */
  readonly name: string;
  /** Whether an output of this shape has the form, for a data set of so many classes. */
  fits(shape: Shape, classes: number): boolean;
  /** @param values of one image; `side` of the network's square in pixels; boxes below `least` are left out */
  decode(values: Float32Array, shape: Shape, side: number, least: number, emit: Emit): void;
  /** Overlap that its authors' evaluation suppresses at. */
  readonly overlap: number;
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/**
 * FastestDet: [N, 5 + classes, H, W]. Channel 0 is the objectness, 1 to 4 the box (tanh of the offset from the cell, sigmoid of width
 * and height as shares of the image), the others the softmax of the classes. A cell has one box, of its best class, with the score
 * objectness^0.6 · class^0.4 (its repository's handle_preds).
 */
const fastestDet: Form = {
  name: 'FastestDet',
  fits: (shape, classes) => shape.length === 4 && shape[1] === 5 + classes,
  overlap: 0.45,
  decode: (values, [, channels, height, width], side, least, emit) => {
    const cells = height * width;
    for (let cell = 0; cell < cells; cell++) {
      const at = (channel: number): number => values[channel * cells + cell];
      let best = 5;
      for (let c = 6; c < channels; c++) if (at(c) > at(best)) best = c;
      const score = at(0) ** 0.6 * at(best) ** 0.4;
      if (!(score > least)) continue;
      const [row, column] = [Math.floor(cell / width), cell % width];
      const x = ((Math.tanh(at(1)) + column) / width) * side;
      const y = ((Math.tanh(at(2)) + row) / height) * side;
      emit(x, y, sigmoid(at(3)) * side, sigmoid(at(4)) * side, best - 5, score);
    }
  },
};

/** YOLOv8 and later: [N, 4 + classes, positions]: centre, width, height in pixels, then the classes' probabilities. */
const withoutObjectness: Form = {
  name: 'YOLOv8',
  fits: (shape, classes) => shape.length === 3 && shape[1] === 4 + classes && shape[2] >= shape[1],
  overlap: 0.7,
  decode: (values, [, channels, positions], _, least, emit) => {
    for (let c = 4; c < channels; c++)
      for (let i = 0; i < positions; i++) {
        const score = values[c * positions + i];
        if (!(score > least)) continue;
        const [x, y, w, h] = [0, 1, 2, 3].map((k) => values[k * positions + i]);
        emit(x, y, w, h, c - 4, score);
      }
  },
};

/** YOLOv5 to 7: [N, positions, 5 + classes]: centre, width, height in pixels, objectness, the classes' probabilities. */
const withObjectness: Form = {
  name: 'YOLOv5',
  fits: (shape, classes) => shape.length === 3 && shape[2] === 5 + classes,
  overlap: 0.6,
  decode: (values, [, positions, channels], _, least, emit) => {
    for (let i = 0; i < positions; i++) {
      const row = values.subarray(i * channels, (i + 1) * channels);
      if (!(row[4] > least)) continue;
      for (let c = 5; c < channels; c++) {
        const score = row[4] * row[c];
        if (score > least) emit(row[0], row[1], row[2], row[3], c - 5, score);
      }
    }
  },
};

const FORMS: readonly Form[] = [fastestDet, withoutObjectness, withObjectness];

export interface FoundForm {
  readonly form: Form;
  readonly output: OutputSpec;
}

/**
 * The output that holds a detector's boxes, by its shape.
 * @throws UserError where none or several could
 */
export function findForm(outputs: readonly OutputSpec[], classes: number, network: string): FoundForm {
  const found = outputs.flatMap((output) =>
    FORMS.filter((form) => form.fits(output.shape, classes)).map((form) => ({ form, output })),
  );
  if (found.length === 1) return found[0];
  const shown = outputs.map(({ name, shape }) => `${name} [N, ${shape.slice(1).join(', ')}]`).join(', ');
  const wanted = `[N, ${4 + classes}, positions], [N, positions, ${5 + classes}] or [N, ${5 + classes}, rows, columns]`;
  throw new UserError(
    found.length
      ? `${network} has several outputs that could be boxes of ${classes} classes (${shown}).`
      : `${network} gives ${shown}: with the ${classes} classes of the data set, boxes would be ${wanted}. ` +
          'Its average precision cannot be told; --teacher DENSE compares its outputs.',
  );
}

/** Where the image lies in the network's square, in pixels. */
export interface Placement {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** Boxes of one image, in shares of the image as it is on disk, cut at its edges. */
export function decodeBoxes(
  { form, output }: FoundForm,
  values: Float32Array,
  side: number,
  place: Placement,
  least: number,
): readonly Detection[] {
  const found: Detection[] = [];
  const inside = (x: number, start: number, size: number): number => Math.min(1, Math.max(0, (x - start) / size));
  form.decode(values, output.shape, side, least, (x, y, width, height, label, score) => {
    const [left, right] = [x - width / 2, x + width / 2].map((edge) => inside(edge, place.left, place.width));
    const [top, bottom] = [y - height / 2, y + height / 2].map((edge) => inside(edge, place.top, place.height));
    if (right > left && bottom > top) found.push({ left, top, right, bottom, label, score });
  });
  return found;
}

/** Activations in WebAssembly SIMD where tfjs has only scalar loops: parameters are addresses, the last one the number of vectors. */
import { type Code, FunctionBuilder, f32x4, i32, i32x4, type Local, v128 } from '../../../../common/assembler.ts';
import { elementwise } from './loops.ts';

/** c0 + x (c1 + x (c2 + …)). */
const polynomial = (x: Code, coefficients: readonly number[]): Code =>
  coefficients
    .slice(0, -1)
    .reduceRight<Code>(
      (sum, c) => f32x4.add(f32x4.multiply(sum, x), f32x4.const(c)),
      f32x4.const(coefficients.at(-1) as number),
    );

/**
 * erf(x) = x P(x²) / Q(x²) for |x| ≤ 4, where float32 reaches ±1: the minimax fraction that Eigen and XLA use, 3 units in the last place.
 */
const NUMERATOR = [
  -1.60960333262415e-2, -2.95459980854025e-3, -7.34990630326855e-4, -5.69250639462346e-5, -2.10102402082508e-6,
  2.77068142495902e-8, -2.72614225801306e-10,
];
const DENOMINATOR = [
  -1.42647390514189e-2, -7.37332916720468e-3, -1.68282697438203e-3, -2.13374055278905e-4, -1.45660718464996e-5,
];

/** Puts values into locals, so that what is computed once can be used several times. */
class Scratch {
  private readonly codes: Code[] = [];

  constructor(private readonly f: FunctionBuilder) {}

  /** Computes the value here; the result reads it. */
  keep(value: Code): Code {
    const local: Local = this.f.local('v128');
    this.codes.push(local.set(value));
    return local.get;
  }

  /** The value after everything that was kept for it. */
  before(value: Code): Code {
    return [this.codes, value];
  }
}

const clamp = (x: Code, limit: number): Code => f32x4.max(f32x4.min(x, f32x4.const(limit)), f32x4.const(-limit));

function erf(s: Scratch, argument: Code): Code {
  const x = s.keep(clamp(argument, 4));
  const square = s.keep(f32x4.multiply(x, x));
  const fraction = f32x4.divide(polynomial(square, NUMERATOR), polynomial(square, DENOMINATOR));
  return f32x4.multiply(x, fraction);
}

/** Coefficients of eʳ for |r| ≤ ln 2 / 2: 1 / k!. */
const EXPONENTIAL = [1, 1, 1 / 2, 1 / 6, 1 / 24, 1 / 120, 1 / 720];
/** ln 2 as a number with few digits and the rest, so that n ln 2 is taken away exactly. */
const LN2_HIGH = 0.693359375;
const LN2_LOW = -2.1219444e-4;

/** eˣ for x ≤ 0: 2ⁿ eʳ. */
function exponential(s: Scratch, argument: Code): Code {
  const x = s.keep(f32x4.max(argument, f32x4.const(-87)));
  const n = s.keep(f32x4.nearest(f32x4.multiply(x, f32x4.const(Math.LOG2E))));
  const high = f32x4.sub(x, f32x4.multiply(n, f32x4.const(LN2_HIGH)));
  const r = s.keep(f32x4.sub(high, f32x4.multiply(n, f32x4.const(LN2_LOW))));
  // 2ⁿ: n in the bits of the exponent.
  const bias = i32x4.splat(i32.const(127));
  const power = i32x4.shiftLeft(i32x4.add(f32x4.toInt32(n), bias), i32.const(23));
  return f32x4.multiply(polynomial(r, EXPONENTIAL), power);
}

/** Φ(x) = (1 + erf(x / √2)) / 2. */
function normalCdf(s: Scratch, x: Code): Code {
  const half = f32x4.const(0.5);
  return f32x4.add(f32x4.multiply(erf(s, f32x4.multiply(x, f32x4.const(Math.SQRT1_2))), half), half);
}

/** x → x Φ(x). */
export function gelu(): FunctionBuilder {
  const f = new FunctionBuilder('gelu', 3);
  const s = new Scratch(f);
  return elementwise(f, 1, ([input]) => {
    const x = s.keep(input);
    return s.before(f32x4.multiply(x, normalCdf(s, x)));
  });
}

/** (d, x) → d (Φ(x) + x φ(x)). */
export function geluGradient(): FunctionBuilder {
  const f = new FunctionBuilder('geluGradient', 4);
  const s = new Scratch(f);
  return elementwise(f, 2, ([d, input]) => {
    const x = s.keep(input);
    const cdf = s.keep(normalCdf(s, x));
    const exponent = f32x4.multiply(f32x4.multiply(x, x), f32x4.const(-0.5));
    const density = f32x4.multiply(exponential(s, exponent), f32x4.const(1 / Math.sqrt(2 * Math.PI)));
    return s.before(f32x4.multiply(d, f32x4.add(cdf, f32x4.multiply(x, density))));
  });
}

/** (d, y) → d where y > 0, else 0. */
export const reluGradient = (): FunctionBuilder =>
  elementwise(new FunctionBuilder('reluGradient', 4), 2, ([d, y]) => v128.and(d, f32x4.greater(y, f32x4.const(0))));

/** (d, y) → d where 0 < y < 6, else 0. */
export function relu6Gradient(): FunctionBuilder {
  const f = new FunctionBuilder('relu6Gradient', 4);
  const s = new Scratch(f);
  return elementwise(f, 2, ([d, output]) => {
    const y = s.keep(output);
    const inside = v128.and(f32x4.greater(y, f32x4.const(0)), f32x4.greater(f32x4.const(6), y));
    return s.before(v128.and(d, inside));
  });
}

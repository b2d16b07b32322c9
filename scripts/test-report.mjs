// What is said after the tests: why some were skipped, what took longest, and the counts.

/** What CI may require, and how tests say that it is missing. */
const LACKS = {
  runtime: /TensorFlow runtime/,
  browser: /Chromium/,
  server: /VS Code server/,
};

const SLOWEST = 12;

/** Reasons and how many tests each, most first. */
function byReason(skipped) {
  const counts = new Map();
  for (const { reason } of skipped) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1]);
}

/**
 * `counts`: of tally-reporter.mjs. `nameOf`: a test file's name by what the runner calls it. `exitedWell`: whether the test runner did; what it fails for beyond its tests counts as a failure.
 * `required`: of LACKS; tests skipped for it have failed. Throws for a name that is not in LACKS.
 */
export function reportOf(counts, nameOf, exitedWell, required) {
  const patterns = required.map((name) => {
    if (!Object.hasOwn(LACKS, name)) throw new Error(`REQUIRED: ${name} is none of ${Object.keys(LACKS).join(', ')}`);
    return LACKS[name];
  });
  const missed = counts.skipped.filter(({ reason }) => patterns.some((pattern) => pattern.test(reason)));
  const lines = [];
  for (const [reason, number] of byReason(counts.skipped)) lines.push(`skipped ${number}: ${reason}`);
  for (const { name, file, reason } of missed) lines.push(`FAIL ${nameOf(file)}: ${name}: required, but ${reason}`);
  const slowest = Object.entries(counts.seconds).sort((a, b) => b[1] - a[1]);
  for (const [file, seconds] of slowest.slice(0, SLOWEST))
    lines.push(`${seconds.toFixed(1).padStart(6)} s ${nameOf(file)}`);
  let failed = counts.failed + missed.length;
  if (failed === 0 && (!exitedWell || counts.passed === 0)) {
    failed = 1;
    lines.push(exitedWell ? 'FAIL no test was run' : 'FAIL the test runner ended with an error');
  }
  return { lines, passed: counts.passed, failed, skipped: counts.skipped.length - missed.length };
}

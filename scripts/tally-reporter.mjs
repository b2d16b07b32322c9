// A reporter of node's test runner, beside the one that people read: counts of tests, why tests were skipped, seconds of each file.
// Counted as node does: a test with subtests too, a suite not. A failed suite or file whose tests all passed counts as one.

/** Prints one line of JSON at the end: { passed, failed, skipped: [{ name, file, reason }], seconds: { file: n } }. */
export default async function* tally(source) {
  const counts = { passed: 0, failed: 0, skipped: [], seconds: {} };
  for await (const { type, data } of source) {
    if (type !== 'test:pass' && type !== 'test:fail') continue;
    const { name, file = '', nesting, details, skip, todo } = data;
    if (nesting === 0) counts.seconds[file] = (counts.seconds[file] ?? 0) + (details?.duration_ms ?? 0) / 1000;
    const ofSuite = details?.type === 'suite';
    const reason = skip ?? todo;
    if (reason !== undefined && reason !== false) {
      counts.skipped.push({ name, file, reason: reason === true || reason === '' ? 'no reason given' : reason });
    } else if (type === 'test:fail') {
      // A suite fails with its tests, which are counted; unless its own hook failed.
      if (!ofSuite || details?.error?.failureType !== 'subtestsFailed') counts.failed++;
    } else if (!ofSuite) counts.passed++;
  }
  yield `${JSON.stringify(counts)}\n`;
}

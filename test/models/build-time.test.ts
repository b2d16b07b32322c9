import assert from 'node:assert/strict';
import { test } from 'node:test';
import { variants } from '../../src/architectures/registry.ts';

test('every model builds in under 100 ms without weights', () => {
  for (const { name, build } of variants) {
    // Time of this process, which other work on the machine does not lengthen.
    const started = process.cpuUsage();
    build();
    const { user, system } = process.cpuUsage(started);
    assert.ok(user + system < 100_000, `${name}: ${(user + system) / 1000} ms`);
  }
});

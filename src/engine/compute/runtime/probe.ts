/** Starts TensorFlow in a process of its own, to see whether it runs on this machine. */
import { type Host, lastLines } from './install-host.ts';
import { type FoundRuntime, runtimeFiles } from './locate.ts';
import { runtimeVariables } from './runtime-settings.ts';

export type ProbeResult =
  | { readonly ok: true; readonly version: string; readonly gpu: boolean }
  | { readonly ok: false; readonly reason: string };

const TIMEOUT = 120_000;

/** Run by Node itself, so it is not part of the bundle. */
const SCRIPT = `
const module_ = { exports: {} };
process.dlopen(module_, process.argv[1], require('node:os').constants.dlopen.RTLD_NOW);
const { TF_Version, isUsingGpuDevice } = module_.exports;
console.log(JSON.stringify({ version: TF_Version, gpu: isUsingGpuDevice() }));
`;

export async function loadSucceeds(found: FoundRuntime, host: Host, signal?: AbortSignal): Promise<ProbeResult> {
  const env = {
    ...host.environment.variables,
    ...runtimeVariables(found),
    // In VS Code's extension host the executable is Electron.
    ELECTRON_RUN_AS_NODE: '1',
  };
  const args = ['-e', SCRIPT, runtimeFiles(found.folder).binding];
  const { code, stdout, stderr } = await host.run(process.execPath, args, { env, signal, timeout: TIMEOUT });
  if (code === 0) {
    try {
      const { version, gpu } = JSON.parse(lastLines(stdout, 1)) as { version?: unknown; gpu?: unknown };
      if (typeof version === 'string') return { ok: true, version, gpu: gpu === true };
    } catch {
      // Falls through to the reason.
    }
  }
  return { ok: false, reason: failureReason(code, stderr) };
}

function failureReason(code: number | undefined, stderr: string): string {
  if (/illegal instruction|SIGILL|AVX/i.test(stderr)) {
    return 'TensorFlow does not run on this processor: it needs AVX instructions.';
  }
  const said = /Error: (.*)/.exec(stderr)?.[1] ?? lastLines(stderr, 3);
  return `TensorFlow did not start (code ${code ?? 'none'}): ${said || 'it said nothing'}`;
}

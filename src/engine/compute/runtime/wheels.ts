/** Which wheels make up a runtime on which platform, with their checksums (as PyPI publishes them). */
import { UserError } from '../../../common/errors.ts';
import { type RuntimeVariant, TENSORFLOW_VERSION } from './locate.ts';

export interface Wheel {
  /** Name of the project on the index. */
  readonly project: string;
  readonly version: string;
  readonly file: string;
  readonly bytes: number;
  readonly sha256: string;
  /** The entries that are kept. */
  readonly keep: RegExp;
  /** About how much the kept entries take once unpacked. */
  readonly unpackedBytes: number;
}

const MB = 1_000_000;

/** TensorFlow's libraries, and the headers that its C interface consists of (the binding is built against them). */
const TENSORFLOW_FILES =
  /^tensorflow\/(libtensorflow_(cc|framework)\.(so\.2|2\.dylib)|include\/(tensorflow\/c\/|tensorflow\/core\/platform\/ctstring|tsl\/platform\/ctstring|xla\/tsl\/c\/).*\.h)$/;

const tensorflow = (project: string, tags: string, bytes: number, sha256: string, unpackedBytes: number): Wheel => ({
  project,
  version: TENSORFLOW_VERSION,
  file: `${project.replace('-', '_')}-${TENSORFLOW_VERSION}-${tags}.whl`,
  bytes,
  sha256,
  keep: TENSORFLOW_FILES,
  unpackedBytes,
});

/** CUDA 12.8's libraries, and the assembler and bitcode that XLA needs. */
const CUDA_FILES = /^nvidia\/(\w+\/lib\/.*\.so[.\d]*|cuda_nvcc\/bin\/ptxas|cuda_nvcc\/nvvm\/libdevice\/.*\.bc)$/;

const OLD = 'manylinux2010_x86_64.manylinux_2_12_x86_64';
const MIDDLE = 'manylinux2014_x86_64.manylinux_2_17_x86_64';
const NEW = 'manylinux_2_27_x86_64';

const cudaRows: readonly (readonly [name: string, version: string, platform: string, bytes: number, sha256: string])[] =
  [
    ['cublas', '12.8.4.1', NEW, 594346921, '8ac4e771d5a348c551b2a426eda6193c19aa630236b418086020df5ba9667142'],
    ['cuda-cupti', '12.8.90', MIDDLE, 10248621, 'ea0cb07ebda26bb9b29ba82cda34849e73c166c18162d3913575b0c9db9a6182'],
    ['cuda-nvcc', '12.8.93', OLD, 40128098, '2d6dc36fb7cb5ac9c0b8825bc13d193c35487a315664007287d0126531238011'],
    ['cuda-nvrtc', '12.8.93', OLD, 88040029, 'a7756528852ef889772a84c6cd89d41dfa74667e24cca16bb31f8f061e3e9994'],
    ['cuda-runtime', '12.8.90', MIDDLE, 954765, 'adade8dcbd0edf427b7204d480d6066d33902cab2a4707dcfc48a2d0fd44ab90'],
    ['cudnn', '9.10.2.21', NEW, 706758467, '949452be657fa16687d0930933f032835951ef0892b37d2d53824d1a84dc97a8'],
    ['cufft', '11.3.3.83', MIDDLE, 193118695, '4d2dd21ec0b88cf61b62e6b43564355e5222e4a3fb394cac0db101f2dd0d4f74'],
    ['curand', '10.3.9.90', NEW, 63619976, 'b32331d4f4df5d6eefa0554c565b626c7216f87a06a4f56fab27c3b68a830ec9'],
    ['cusolver', '11.7.3.90', NEW, 267506905, '4376c11ad263152bd50ea295c05370360776f8c3427b30991df774f9fb26c450'],
    ['cusparse', '12.5.8.93', MIDDLE, 288216466, '1ec05d76bbbd8b61b06a80e1eaf8cf4959c3d4ce8e711b65ebd0443bb0ebb13b'],
    ['nccl', '2.27.7', MIDDLE, 322546339, 'de5ba5562f08029a19cb1cd659404b18411ed0d6c90ac5f52f30bf99ad5809aa'],
    ['nvjitlink', '12.8.93', OLD, 39254836, '81ff63371a7ebd6e6451970684f916be2eab07321b73c9d244dc2b4da7f73b88'],
  ];

const cuda: readonly Wheel[] = cudaRows.map(([name, version, platform, bytes, sha256]) => ({
  project: `nvidia-${name}-cu12`,
  version,
  file: `nvidia_${name.replace('-', '_')}_cu12-${version}-py3-none-${platform}.whl`,
  bytes,
  sha256,
  keep: CUDA_FILES,
  unpackedBytes: Math.ceil(1.8 * bytes),
}));

const table: Readonly<Record<string, readonly Wheel[]>> = {
  'linux-x64 cpu': [
    tensorflow(
      'tensorflow-cpu',
      'cp311-cp311-manylinux_2_27_x86_64',
      273829956,
      '2b847d217b02ee7731ed91431daf3250daa0196c3c94614d23be27232e6e5b6c',
      855 * MB,
    ),
  ],
  'linux-x64 gpu': [
    tensorflow(
      'tensorflow',
      'cp311-cp311-manylinux_2_27_x86_64',
      572440367,
      '9056fbc9ba04235810b71ae6cbd958a196e8804fb53bbcffbf3e23b56155f124',
      1260 * MB,
    ),
    ...cuda,
  ],
  'linux-arm64 cpu': [
    tensorflow(
      'tensorflow',
      'cp311-cp311-manylinux_2_27_aarch64',
      281828020,
      '4b24aca16d527a3cf1c37f720c04c484c3d20f4d0fdfa98632ac8b9f3be6eb5c',
      900 * MB,
    ),
  ],
  'darwin-arm64 cpu': [
    tensorflow(
      'tensorflow',
      'cp311-cp311-macosx_12_0_arm64',
      223405849,
      '51f46f4806139d01fc7920cc72a4c75876f80649bf40ff083ab6212ceb43ca88',
      800 * MB,
    ),
  ],
};

/** The wheels of a variant. Throws a UserError where there are none for the platform. */
export function wheelsFor(platform: string, variant: RuntimeVariant): readonly Wheel[] {
  const wheels = table[`${platform} ${variant}`];
  if (wheels) return wheels;
  const supported = Object.keys(table).filter((row) => row.endsWith(` ${variant}`));
  throw new UserError(
    `There is no TensorFlow ${TENSORFLOW_VERSION} runtime (${variant}) for ${platform}, only for ` +
      `${supported.map((row) => row.split(' ')[0]).join(', ')}. The built-in kernels work everywhere.`,
  );
}

/** What pip must be told so that any Python downloads this very wheel. */
export function pipTags(wheel: Wheel): { abi: string; platforms: readonly string[] } {
  const [abi, platform] = wheel.file.slice(0, -'.whl'.length).split('-').slice(-2);
  return { abi, platforms: platform.split('.') };
}

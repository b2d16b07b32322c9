/** Train steps of every optimiser in TensorFlow. */
import { installedRuntime, loadTensorFlow } from '../../../src/engine/compute/runtime/binding.ts';
import { tensorFlowExecutor } from '../../../src/engine/compute/tensorflow/tensorflow-executor.ts';
import { testTraining } from './training-contract.ts';

const skip = !installedRuntime() && 'the TensorFlow runtime is not installed';

testTraining('TensorFlow', () => tensorFlowExecutor(loadTensorFlow()), {
  skip,
  tensors: () => loadTensorFlow().getNumOfTensors(),
});

/** ConfigProto (tensorflow/core/protobuf/config.proto): the binding cannot set a session's options, but a function call carries its own. */
import { encode, intField, messageField } from '../../support/protobuf.ts';

const GRAPH_OPTIONS = 10;
const REWRITE_OPTIONS = 10;
/** Products in bfloat16 on processors that have it, chosen by TensorFlow's graph optimiser. */
const AUTO_MIXED_PRECISION_ONEDNN_BFLOAT16 = 31;
const TOGGLE_ON = 1;

/** For `GraphDefBuilder.call`: the body's matrix products and convolutions in bfloat16. Numbers change in the third digit. */
export function bfloat16Config(): Uint8Array {
  const rewrite = messageField(REWRITE_OPTIONS, [intField(AUTO_MIXED_PRECISION_ONEDNN_BFLOAT16, TOGGLE_ON)]);
  return encode([messageField(GRAPH_OPTIONS, [rewrite])]);
}

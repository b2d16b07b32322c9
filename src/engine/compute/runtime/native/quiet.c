/*
 * A module of its own, loaded with global symbols before TensorFlow. TensorFlow promises that TF_CPP_MIN_LOG_LEVEL quiets it, but its logging
 * library (Abseil) only knows a level once it is initialised, which TensorFlow's Python does and its C interface does not; and the first
 * messages are written while the library is being loaded. This answers in Abseil's place when it asks for the level.
 */
#include <node_api.h>
#include <stdlib.h>

/* absl::lts_20250814::MinLogLevel(). With another version of Abseil nobody asks, and TensorFlow stays talkative. */
__attribute__((visibility("default"))) int _ZN4absl12lts_2025081411MinLogLevelEv(void) {
  const char *level = getenv("TF_CPP_MIN_LOG_LEVEL");
  return level ? atoi(level) : 0;
}

__attribute__((visibility("default"))) napi_value napi_register_module_v1(napi_env env, napi_value exports) {
  (void)env;
  return exports;
}

// The leak sanitizer is off in this program alone: cuDNN and cuBLASLt keep memory for as long as
// they are loaded, and their stacks cannot be followed, so that none of it could be told from ours.
extern "C" int __lsan_is_turned_off() { return 1; }

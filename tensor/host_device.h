// MEC_HOST_DEVICE marks the functions that CPU loops and GPU kernels share.
#pragma once

#ifdef __CUDACC__
#define MEC_HOST_DEVICE __host__ __device__
#else
#define MEC_HOST_DEVICE
#endif

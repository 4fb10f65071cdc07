# Toolchain: builds on x86-64 for 64-bit ARM, and runs what was built under qemu. Debian:
# g++-aarch64-linux-gnu, qemu-user.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
# -R 8G limits the address space to 8 GiB: qemu keeps a record of each reserved page, and segments
# reserve as much as the machine has (tensor/allocator.cpp).
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64 -R 8G -L /usr/aarch64-linux-gnu)

# mec for vcpkg, of the tree that this port lies in:
#
#   vcpkg install mec --overlay-ports=packaging/vcpkg
#
# Kernels are mec's own: vcpkg has OpenBLAS with threads of its own, which cost a factor of five in
# small products, and no MPI that clusters use.
get_filename_component(SOURCE_PATH "${CURRENT_PORT_DIR}/../../.." ABSOLUTE)

vcpkg_check_features(OUT_FEATURE_OPTIONS FEATURE_OPTIONS FEATURES
  cuda MEC_CUDA
  gif MEC_GIF
  jpeg MEC_JPEG
  png MEC_PNG
  tiff MEC_TIFF
  webp MEC_WEBP
  zlib MEC_ZLIB)

vcpkg_cmake_configure(SOURCE_PATH "${SOURCE_PATH}" OPTIONS ${FEATURE_OPTIONS}
  -DMEC_OPENMP=OFF -DMEC_ONEDNN=OFF -DMEC_BLAS=OFF -DMEC_MPI=OFF -DMEC_ONNX=OFF
  -DMEC_TESTS=OFF -DMEC_EXAMPLES=OFF -DMEC_BENCH=OFF)
vcpkg_cmake_install()
vcpkg_cmake_config_fixup(CONFIG_PATH lib/cmake/mec)
vcpkg_fixup_pkgconfig()
vcpkg_copy_tools(TOOL_NAMES mec AUTO_CLEAN)

# Of the build for debugging, the libraries alone.
file(REMOVE_RECURSE "${CURRENT_PACKAGES_DIR}/debug/include" "${CURRENT_PACKAGES_DIR}/debug/share")
vcpkg_install_copyright(FILE_LIST "${SOURCE_PATH}/LICENSE")
file(INSTALL "${CURRENT_PORT_DIR}/usage" DESTINATION "${CURRENT_PACKAGES_DIR}/share/${PORT}")

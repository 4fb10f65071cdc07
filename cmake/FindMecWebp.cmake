# libwebp with its demuxer: the target mec::webp.
find_path(MecWebp_INCLUDE_DIR webp/demux.h)
find_library(MecWebp_LIBRARY webp)
find_library(MecWebp_DEMUX_LIBRARY webpdemux)
find_library(MecWebp_SHARPYUV_LIBRARY sharpyuv)
mark_as_advanced(MecWebp_INCLUDE_DIR MecWebp_LIBRARY MecWebp_DEMUX_LIBRARY MecWebp_SHARPYUV_LIBRARY)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(MecWebp REQUIRED_VARS MecWebp_DEMUX_LIBRARY MecWebp_LIBRARY MecWebp_INCLUDE_DIR)
if(MecWebp_FOUND AND NOT TARGET mec::webp)
  add_library(mec::webp INTERFACE IMPORTED)
  set_target_properties(mec::webp PROPERTIES
    INTERFACE_INCLUDE_DIRECTORIES "${MecWebp_INCLUDE_DIR}"
    INTERFACE_LINK_LIBRARIES "${MecWebp_DEMUX_LIBRARY};${MecWebp_LIBRARY}")
  if(MecWebp_LIBRARY MATCHES "\\.a$" AND MecWebp_SHARPYUV_LIBRARY)  # which libwebp.a wants from 1.3 on
    set_property(TARGET mec::webp APPEND PROPERTY INTERFACE_LINK_LIBRARIES "${MecWebp_SHARPYUV_LIBRARY}")
  endif()
endif()

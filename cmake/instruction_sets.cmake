# The files named for more than the baseline instruction set; the program chooses at start among those
# that the CPU has. Included once by every folder that compiles them.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  file(GLOB avx2_sources ${PROJECT_SOURCE_DIR}/src/kernels/*avx2.c)
  file(GLOB avx512_sources ${PROJECT_SOURCE_DIR}/src/kernels/*avx512.c)
  set_source_files_properties(${avx2_sources} PROPERTIES COMPILE_OPTIONS "-mavx2;-mfma")
  set_source_files_properties(${avx512_sources} PROPERTIES COMPILE_OPTIONS
    "-mavx512f;-mavx512dq;-mavx512bw;-mavx512vl;-mfma;-mprefer-vector-width=512")
endif()

# Half a build goes into these files, and a quarter of that into where the optimiser left each variable.
# Their machine code is the same without it, lines and backtraces are still there.
check_c_compiler_flag(-fno-var-tracking FOVEA_HAS_NO_VAR_TRACKING)
if(FOVEA_HAS_NO_VAR_TRACKING)
  file(GLOB bodies ${PROJECT_SOURCE_DIR}/src/kernels/*portable.c
    ${PROJECT_SOURCE_DIR}/src/kernels/*avx2.c ${PROJECT_SOURCE_DIR}/src/kernels/*avx512.c
    ${PROJECT_SOURCE_DIR}/src/kernels/*neon.c)
  set_property(SOURCE ${bodies} APPEND PROPERTY COMPILE_OPTIONS "-fno-var-tracking")
endif()

# Fuzzers search the parsers: watching every branch of the kernels would only make them slow.
if(FOVEA_FUZZ)
  file(GLOB kernel_sources ${PROJECT_SOURCE_DIR}/src/kernels/*.c)
  set_property(SOURCE ${kernel_sources} APPEND PROPERTY COMPILE_OPTIONS "-fno-sanitize=all")
endif()

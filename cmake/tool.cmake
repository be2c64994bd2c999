# The tool, from tools/fovea.

# Sweeps and rings over processes: a module that is loaded when it is needed (tools/fovea/mpi/mpi_calls.h),
# made where MPI is installed. It lies beside the program here, and among the libraries once installed.
option(FOVEA_MPI "spread sweeps over processes with MPI, where it is installed" ON)
if(FOVEA_MPI)
  find_package(MPI QUIET COMPONENTS C)
  if(MPI_C_FOUND)
    add_library(fovea_mpi MODULE tools/mpi/mpi_module.c)
    target_include_directories(fovea_mpi PRIVATE tools/fovea)
    target_compile_definitions(fovea_mpi PRIVATE FOVEA_VERSION="${PROJECT_VERSION}")
    target_link_libraries(fovea_mpi PRIVATE MPI::MPI_C)
    set_target_properties(fovea_mpi PROPERTIES OUTPUT_NAME fovea-mpi PREFIX "" SUFFIX .so
      LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})
  else()
    set(why "no MPI is found")
  endif()
else()
  set(why "FOVEA_MPI is off")
endif()
if(NOT TARGET fovea_mpi)
  message(NOTICE "fovea: ${why}: sweeps and ring attention over processes are not built")
endif()

# The server of `fovea explore`: built with libmicrohttpd's headers, which is loaded when it is asked for
# (tools/fovea/explore/mhd_calls.h).
pkg_check_modules(FOVEA_MICROHTTPD QUIET libmicrohttpd)
if(NOT FOVEA_MICROHTTPD_FOUND)
  message(NOTICE "fovea: no libmicrohttpd is found: fovea explore is not built; the page opens from a disk")
endif()

file(GLOB TOOL_SOURCES CONFIGURE_DEPENDS tools/fovea/*.c tools/fovea/*/*.c)
list(FILTER TOOL_SOURCES EXCLUDE REGEX "/main\\.c$")
file(GLOB MANUAL_SOURCES CONFIGURE_DEPENDS tools/manual/*.c)

# The verbs serve two programs: the tool, and the one that makes its manual pages and completions.
add_library(fovea_verbs OBJECT ${TOOL_SOURCES})
add_executable(fovea tools/fovea/main.c $<TARGET_OBJECTS:fovea_verbs>)
add_executable(fovea_manual ${MANUAL_SOURCES} $<TARGET_OBJECTS:fovea_verbs>)
# Object files wait for no library: they are compiled beside it.
target_include_directories(fovea_verbs PRIVATE include)
target_link_libraries(fovea PRIVATE fovea_static)
target_link_libraries(fovea_manual PRIVATE fovea_static)
foreach(target fovea_verbs fovea fovea_manual)
  target_include_directories(${target} PRIVATE tools/fovea)
  target_link_libraries(${target} PRIVATE ${FOVEA_DEPENDENCIES})
endforeach()
if(FOVEA_MICROHTTPD_FOUND)
  target_compile_definitions(fovea_verbs PRIVATE FOVEA_HAS_MICROHTTPD)
  target_include_directories(fovea_verbs PRIVATE ${FOVEA_MICROHTTPD_INCLUDE_DIRS})
endif()
file(RELATIVE_PATH module_dir ${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_LIBDIR}/fovea)
target_compile_definitions(fovea_verbs PRIVATE FOVEA_MODULE_DIR="${module_dir}/"
  FOVEA_DATA_DIR="${CMAKE_INSTALL_FULL_DATADIR}/fovea")
set_target_properties(fovea PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})

set(FOVEA_MANUAL ${PROJECT_BINARY_DIR}/manual)
if(CMAKE_CROSSCOMPILING AND NOT CMAKE_CROSSCOMPILING_EMULATOR)
  message(NOTICE "fovea: cross compiling without an emulator: manual pages and completions, which a "
    "built program makes, are left out")
else()
  # The date of the release heads every page.
  file(STRINGS CHANGELOG.md release REGEX "^## ${PROJECT_VERSION} - " LIMIT_COUNT 1)
  string(REGEX REPLACE ".* - " "" release "${release}")
  file(GLOB MANUAL_PARTS CONFIGURE_DEPENDS tools/manual/completion.*)
  add_custom_command(OUTPUT ${FOVEA_MANUAL}/made
    COMMAND ${CMAKE_COMMAND} -E rm -rf ${FOVEA_MANUAL}
    COMMAND fovea_manual ${FOVEA_MANUAL} ${PROJECT_SOURCE_DIR}/tools/manual "${release}"
    COMMAND ${CMAKE_COMMAND} -E touch ${FOVEA_MANUAL}/made
    DEPENDS fovea_manual ${MANUAL_PARTS} VERBATIM
    COMMENT "Making manual pages and completions")
  add_custom_target(manual ALL DEPENDS ${FOVEA_MANUAL}/made)
endif()

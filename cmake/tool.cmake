# The tool, from tools/fovea.

# Sweeps and rings over processes (tools/fovea/fleet/fleet.h): one file where MPI is installed, another
# where not.
option(FOVEA_MPI "spread sweeps over processes with MPI, where it is installed" ON)
set(FLEET none)
if(FOVEA_MPI)
  find_package(MPI QUIET COMPONENTS C)
  if(MPI_C_FOUND)
    set(FLEET mpi)
  else()
    set(why "no MPI is found")
  endif()
else()
  set(why "FOVEA_MPI is off")
endif()
if(FLEET STREQUAL none)
  message(NOTICE "fovea: ${why}: sweeps and ring attention over processes are not built")
endif()

file(GLOB TOOL_SOURCES CONFIGURE_DEPENDS tools/fovea/*.c tools/fovea/*/*.c)
list(FILTER TOOL_SOURCES EXCLUDE REGEX "/(main|mpi|none)\\.c$")
list(APPEND TOOL_SOURCES tools/fovea/fleet/${FLEET}.c tools/fovea/ring/${FLEET}.c)
file(GLOB MANUAL_SOURCES CONFIGURE_DEPENDS tools/manual/*.c)

# The verbs serve two programs: the tool, and the one that makes its manual pages and completions.
add_library(fovea_verbs OBJECT ${TOOL_SOURCES})
add_executable(fovea tools/fovea/main.c $<TARGET_OBJECTS:fovea_verbs>)
add_executable(fovea_manual ${MANUAL_SOURCES} $<TARGET_OBJECTS:fovea_verbs>)
foreach(target fovea_verbs fovea fovea_manual)
  target_include_directories(${target} PRIVATE tools/fovea)
  target_link_libraries(${target} PRIVATE fovea_static ${FOVEA_DEPENDENCIES})
  if(FLEET STREQUAL mpi)
    target_link_libraries(${target} PRIVATE MPI::MPI_C)
  endif()
endforeach()
target_compile_definitions(fovea_verbs PRIVATE
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

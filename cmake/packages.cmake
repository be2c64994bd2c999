# From packages.txt: FOVEA_MODULES, the pkg-config modules that libfovea links to, and those whose headers
# alone it is built with.
function(fovea_packages kind result)
  file(STRINGS ${PROJECT_SOURCE_DIR}/cmake/packages.txt lines REGEX "^${kind} ")
  foreach(line IN LISTS lines)
    string(REGEX REPLACE "^[a-z]+ +([^ ]+) .*" "\\1" module ${line})
    list(APPEND modules ${module})
  endforeach()
  set(${result} ${modules} PARENT_SCOPE)
endfunction()

fovea_packages(library FOVEA_MODULES)
fovea_packages(loaded FOVEA_LOADED)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/cmake/packages.txt)
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
pkg_check_modules(FOVEA_MODULES_FOUND REQUIRED IMPORTED_TARGET ${FOVEA_MODULES})
pkg_check_modules(FOVEA_LOADED_FOUND REQUIRED ${FOVEA_LOADED})
set(FOVEA_DEPENDENCIES PkgConfig::FOVEA_MODULES_FOUND Threads::Threads m ${CMAKE_DL_LIBS})

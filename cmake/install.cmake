# What `make install` puts where: both libraries, headers, the tool, the experiment files, and the
# files by which pkg-config and CMake's find_package find them. tests/install uses all of it.
include(CMakePackageConfigHelpers)

list(JOIN FOVEA_MODULES " " FOVEA_MODULES_TEXT)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/fovea)

install(TARGETS fovea_static fovea_shared EXPORT fovea-targets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/fovea DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING
  PATTERN *.h PATTERN *.def)
# The page of `fovea explore`, where `make web` has built it.
install(DIRECTORY ${PROJECT_BINARY_DIR}/web DESTINATION ${CMAKE_INSTALL_DATADIR}/fovea OPTIONAL)
install(DIRECTORY experiments DESTINATION ${CMAKE_INSTALL_DATADIR}/fovea
  FILES_MATCHING PATTERN *.yaml)
if(TARGET fovea)
  install(TARGETS fovea RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
if(TARGET fovea_mpi)
  install(TARGETS fovea_mpi LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/fovea)
endif()
if(TARGET manual)
  install(DIRECTORY ${FOVEA_MANUAL}/man1 ${FOVEA_MANUAL}/man5 DESTINATION ${CMAKE_INSTALL_MANDIR})
  install(FILES ${FOVEA_MANUAL}/bash/fovea
    DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
  install(FILES ${FOVEA_MANUAL}/zsh/_fovea DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
  install(FILES ${FOVEA_MANUAL}/fish/fovea.fish
    DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
endif()

install(EXPORT fovea-targets NAMESPACE fovea:: DESTINATION ${package_dir})
configure_package_config_file(cmake/fovea-config.cmake.in fovea-config.cmake
  INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(fovea-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/fovea-config.cmake
  ${PROJECT_BINARY_DIR}/fovea-config-version.cmake DESTINATION ${package_dir})

# Paths relative to the .pc file keep it right where a package is installed under another prefix.
file(RELATIVE_PATH PC_PREFIX ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
configure_file(cmake/fovea.pc.in fovea.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/fovea.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

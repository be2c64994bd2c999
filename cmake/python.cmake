# The Python package: python/fovea with the C interface as ctypes declarations, put together in
# python/ of the build folder, where tests use it. `pip install ./python` installs it from there with
# the library and the tool (python/pyproject.toml).
set(FOVEA_PYTHON_PACKAGE ${PROJECT_BINARY_DIR}/python)
file(GLOB sources CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR}/python
  ${PROJECT_SOURCE_DIR}/python/fovea/*.py ${PROJECT_SOURCE_DIR}/python/fovea/py.typed)
foreach(source IN LISTS sources ITEMS fovea_command.py)
  configure_file(python/${source} ${FOVEA_PYTHON_PACKAGE}/${source} COPYONLY)
endforeach()

file(GLOB_RECURSE headers CONFIGURE_DEPENDS include/fovea/*.h include/fovea/*.def)
set(interface ${FOVEA_PYTHON_PACKAGE}/fovea/_interface.py)
add_custom_command(OUTPUT ${interface}
  COMMAND ${CMAKE_C_COMPILER} -E -P -I ${PROJECT_SOURCE_DIR}/include
    -o ${FOVEA_PYTHON_PACKAGE}/interface.i ${PROJECT_SOURCE_DIR}/include/fovea/fovea.h
  COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/python/interface.py
    ${FOVEA_PYTHON_PACKAGE}/interface.i ${interface}
  DEPENDS ${headers} ${PROJECT_SOURCE_DIR}/python/interface.py VERBATIM
  COMMENT "Making the Python package's interface")
add_custom_target(python_package ALL DEPENDS ${interface})

if(SKBUILD) # a wheel, which knows no symbolic links
  set_property(TARGET fovea_shared PROPERTY VERSION)
  set_property(TARGET fovea_shared PROPERTY SOVERSION)
  install(DIRECTORY ${FOVEA_PYTHON_PACKAGE}/fovea DESTINATION . FILES_MATCHING PATTERN *.py
    PATTERN py.typed PATTERN __pycache__ EXCLUDE)
  install(FILES ${FOVEA_PYTHON_PACKAGE}/fovea_command.py DESTINATION .)
  install(TARGETS fovea_shared LIBRARY DESTINATION fovea/lib)
  install(TARGETS fovea RUNTIME DESTINATION fovea/bin)
  install(DIRECTORY experiments DESTINATION fovea/share/fovea FILES_MATCHING PATTERN *.yaml)
endif()

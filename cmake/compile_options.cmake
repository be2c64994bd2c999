# How Fovea's own sources are compiled, whatever flags a parent project or a distributor gives: these
# stand behind theirs on the command line, and hold for this folder and those below it only.
include(CheckCCompilerFlag)
include(CheckCSourceCompiles)

add_compile_options(-std=gnu11 -Wall -Wextra -Wshadow -Wstrict-prototypes)
if(NOT PROJECT_IS_TOP_LEVEL)
  add_compile_options(-Wno-error -Wno-pedantic) # those of the parent are about its own sources
endif()
add_compile_options(-Werror=implicit-function-declaration -Werror=incompatible-pointer-types)

# clang says that flags below stand against a parent's -ffast-math, which is what they are for, and where
# one of the processors that -march names needs no unrolling.
foreach(warning overriding-t-option overriding-option pass-failed)
  string(MAKE_C_IDENTIFIER FOVEA_WARNS_OF_${warning} known)
  check_c_compiler_flag("-Werror=unknown-warning-option -W${warning}" ${known})
  if(${known})
    add_compile_options(-Wno-${warning})
  endif()
endforeach()

# A NaN is how divergence shows, and the order of sums is part of what a stored run means: whatever
# -ffast-math, -Ofast or one of their parts turn off is turned on again. base/ieee.h refuses the rest.
# Rounding must not depend on what the compiler fuses: kernels say fma where they mean it.
set(FOVEA_ARITHMETIC -fno-fast-math -fno-finite-math-only -fno-unsafe-math-optimizations
  -fno-associative-math -fno-reciprocal-math -fsigned-zeros)
check_c_compiler_flag(-fno-single-precision-constant FOVEA_HAS_NO_SINGLE_PRECISION_CONSTANT)
if(FOVEA_HAS_NO_SINGLE_PRECISION_CONSTANT)
  list(APPEND FOVEA_ARITHMETIC -fno-single-precision-constant)
endif()
add_compile_options(${FOVEA_ARITHMETIC} -ffp-contract=off -fno-math-errno)
# gcc 12 for 64-bit Arm ends with an internal error where it makes vectors of a maximum in a loop.
set(CMAKE_REQUIRED_FLAGS "-O3 -fno-math-errno")
set(CMAKE_REQUIRED_LIBRARIES m)
check_c_source_compiles("#include <math.h>
  double most(const float *x, int n) {
    double y = 0;
    for (int i = 0; i < n; i++) y = fmax(y, x[i]);
    return y;
  }
  int main(void) { float x = 1; return (int)most(&x, 1) - 1; }" FOVEA_VECTORISES_MAXIMA)
unset(CMAKE_REQUIRED_FLAGS)
unset(CMAKE_REQUIRED_LIBRARIES)
if(NOT FOVEA_VECTORISES_MAXIMA)
  add_compile_options(-fno-builtin-fmax -fno-builtin-fmin)
endif()
# At the link the same flags would add a start-up routine that flushes subnormal numbers of the whole
# process; -Ofast asks for it too, unless another -O follows.
add_link_options(-fno-fast-math -fno-unsafe-math-optimizations -O3)

# Without a build type, as in a parent that sets none, kernels would be fifty times slower.
if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_C_FLAGS MATCHES "-O")
  add_compile_options($<$<CONFIG:>:-O3>)
endif()

# Under -flto the objects hold machine code too, of which the static library is made. A compiler that
# cannot write both leaves link-time optimisation out.
check_c_compiler_flag("-Werror -ffat-lto-objects" FOVEA_HAS_FAT_LTO)
if(FOVEA_HAS_FAT_LTO)
  set(FOVEA_LTO_OPTION -ffat-lto-objects)
else()
  set(FOVEA_LTO_OPTION -fno-lto)
endif()

if(FOVEA_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all)
  add_link_options(-fsanitize=address,undefined)
elseif(FOVEA_SANITIZE)
  add_compile_options(-fsanitize=${FOVEA_SANITIZE} -fno-sanitize-recover=all
    -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${FOVEA_SANITIZE})
endif()

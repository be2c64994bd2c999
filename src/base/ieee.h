// Refuses compilers that may assume that there is no NaN, or that may sum in another order.
#ifndef BASE_IEEE_H
#define BASE_IEEE_H

#if (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__) || defined(__FAST_MATH__) ||           \
    defined(__ASSOCIATIVE_MATH__) || defined(__RECIPROCAL_MATH__)
#error "Fovea is compiled without -ffast-math, -Ofast and their parts: add -fno-fast-math"
#endif

#endif

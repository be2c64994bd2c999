// At most so much worse: what the test of a margin and its power share.
#ifndef FOVEA_STATISTICS_WITHIN_H
#define FOVEA_STATISTICS_WITHIN_H

#include <fovea/paired.h>

// Tango's score statistic of the difference d = share won - share lost.
double tango_score(fv_paired counts, double d);

#endif

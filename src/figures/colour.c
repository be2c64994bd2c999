#include "figures/colour.h"

#include <math.h>

static const unsigned names[FV_DISTINCT] = {0x0072b2, 0xe69f00, 0x009e73, 0xd55e00,
                                            0xcc79a7, 0x56b4e9, 0x5d5d5d};

static const unsigned viridis[] = {0x440154, 0x482878, 0x3e4989, 0x31688e, 0x26828e,
                                   0x1f9e89, 0x35b779, 0x6ece58, 0xb5de2b, 0xfde725};

unsigned colour_name(int i) {
    return names[i % FV_DISTINCT];
}

static unsigned mix(unsigned a, unsigned b, double share) {
    unsigned mixed = 0;
    for (int shift = 0; shift <= 16; shift += 8) {
        double from = a >> shift & 0xff, to = b >> shift & 0xff;
        mixed |= (unsigned)lround(from + share * (to - from)) << shift;
    }
    return mixed;
}

unsigned colour_scale(double share) {
    enum { LAST = sizeof viridis / sizeof *viridis - 1 };
    double place = fmin(fmax(share, 0), 1) * LAST;
    int i = (int)fmin(floor(place), LAST - 1);
    return mix(viridis[i], viridis[i + 1], place - i);
}

unsigned colour_line(double share) {
    return colour_scale(0.04 + 0.8 * share);
}

unsigned colour_pale(unsigned colour, double weight) {
    return mix(0xffffff, colour, weight);
}

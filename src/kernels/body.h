// The body of every variant but the reference, built once per instruction set; attention, its
// normalisers, tiles and the long scan are files of their own (body_attend.h, ...). See kernels.h for
// what each kernel computes; the files included here say how.
#include "kernels/body_distances.h"
#include "kernels/body_elementwise.h"
#include "kernels/body_embed.h"
#include "kernels/body_map.h"
#include "kernels/body_peak.h"
#include "kernels/body_scan.h"
#include "kernels/body_select.h"

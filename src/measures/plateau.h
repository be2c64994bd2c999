// Plateaus of a falling curve: where training stalls above what it could reach.
#ifndef FOVEA_MEASURES_PLATEAU_H
#define FOVEA_MEASURES_PLATEAU_H

#include <fovea/record.h>

typedef struct measure_plateau {
    bool found;
    bool left;      // the curve falls further afterwards; else it is stuck there to the end
    double height;  // geometric mean of the curve in the plateau
    int start, end; // steps of its first and last point
} measure_plateau;

// The plateau of a positive curve whose ideal value is `floor` > 0 (1 for perplexity). Not found is
// no error. plateau.c has the definition. Fails with FV_NO_MEMORY only.
fv_status plateau_find(const fv_series *series, double floor, measure_plateau *plateau);

#endif

// The run that is shown, for the file that looks into it.
#ifndef WEB_ENGINE_LIVE_H
#define WEB_ENGINE_LIVE_H

#include <fovea/train.h>

const fv_trainer *live_trainer(void); // NULL where no run has begun

#endif

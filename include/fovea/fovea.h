// Fovea: a laboratory for sparse attention. The whole public interface.
#ifndef FOVEA_FOVEA_H
#define FOVEA_FOVEA_H

#include <fovea/activation_cache.h>
#include <fovea/attention.h>
#include <fovea/chart.h>
#include <fovea/checkpoint.h>
#include <fovea/claim.h>
#include <fovea/compare.h>
#include <fovea/config.h>
#include <fovea/context_use.h>
#include <fovea/cost.h>
#include <fovea/cost_devices.h>
#include <fovea/cost_measured.h>
#include <fovea/custom_task.h>
#include <fovea/decode.h>
#include <fovea/experiment.h>
#include <fovea/figure.h>
#include <fovea/lab.h>
#include <fovea/local_server.h>
#include <fovea/machine.h>
#include <fovea/model.h>
#include <fovea/orders.h>
#include <fovea/own.h>
#include <fovea/paired.h>
#include <fovea/probe.h>
#include <fovea/record.h>
#include <fovea/recurrence.h>
#include <fovea/ring.h>
#include <fovea/scan.h>
#include <fovea/status.h>
#include <fovea/store.h>
#include <fovea/study.h>
#include <fovea/task.h>
#include <fovea/topic.h>
#include <fovea/train.h>
#include <fovea/whole_file.h>

#endif

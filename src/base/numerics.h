// The version of the engine's numerics: raised whenever a change makes the same configuration give
// other bits. It is part of every run's identity, so that stores never mix results of two versions.
#ifndef BASE_NUMERICS_H
#define BASE_NUMERICS_H

#define FV_NUMERICS_VERSION 2

#endif

#!/usr/bin/env bash
# A compiler launcher, prebuilt.sh BUILD COMPILER ...: Fovea's own objects are taken from the build folder
# BUILD, where they are, so that a test of how they are put together need not compile them again.
build=$1
shift
arguments=("$@")
for ((i = 0; i < ${#arguments[@]}; i++)); do
    [ "${arguments[i]}" != -o ] || object=${arguments[i + 1]}
done
found=$build/CMakeFiles/fovea_objects.dir/${object##*fovea_objects.dir/}
[[ $object == *fovea_objects.dir/* && -f $found ]] || exec "$@"
cp "$found" "$object"
: >"$object.d"

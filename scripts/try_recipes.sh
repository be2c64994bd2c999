#!/bin/sh
# Follows every recipe of CONTRIBUTING.md in a copy of the tree, sees that what it adds is used, and that
# nothing of it can be left out unnoticed: try_recipes.sh [--quick] [--build DIR] [RECIPE ...]
set -eu
exec python3 "$(dirname "$0")/../tests/recipes/run.py" "$@"

// Planted: tests/tools/floors.cmake expects it to be found.
#pragma once
#include <cuda_runtime.h>
#include "core/data/loader/loader.h"

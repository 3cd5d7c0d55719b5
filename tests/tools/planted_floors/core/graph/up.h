// Planted: tests/tools/floors.cmake expects it to be found.
#pragma once
#include "layers/products/linear.h"

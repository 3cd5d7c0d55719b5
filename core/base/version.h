// The version of Adjoint, said once: CMake reads it here.
#pragma once

#define ADJOINT_VERSION "0.1.0"

// As nvcc leaves a device function that host code calls.
#include <cstdlib>

void device_function() { std::exit(1); }

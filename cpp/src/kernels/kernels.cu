// All kernels, compiled together: one module for the driver.
#include "letterbox.h"
#include "suppress.h"

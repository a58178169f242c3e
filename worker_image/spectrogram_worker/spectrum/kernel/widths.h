/* Both precisions for vectors of BYTES bytes. */

#define REAL float
#define INTEGER int32_t
#define LARGEST FLT_MAX
#define SMALLEST FLT_MIN
#define LANES (BYTES / 4)
#define VARIANT JOIN(float, BYTES)
#include "variant.h"
#undef REAL
#undef INTEGER
#undef LARGEST
#undef SMALLEST
#undef LANES
#undef VARIANT

#define REAL double
#define INTEGER int64_t
#define LARGEST DBL_MAX
#define SMALLEST DBL_MIN
#define LANES (BYTES / 8)
#define VARIANT JOIN(double, BYTES)
#include "variant.h"
#undef REAL
#undef INTEGER
#undef LARGEST
#undef SMALLEST
#undef LANES
#undef VARIANT

#undef BYTES

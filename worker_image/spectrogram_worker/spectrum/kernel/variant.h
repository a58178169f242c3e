/* The kernel for vectors of LANES numbers of the type REAL. */

#define vec NAME(vec)
#define mask NAME(mask)
#define unaligned NAME(unaligned)
#define point NAME(point)

#include "vectors.h"
#include "butterflies.h"
#include "steps.h"
#include "prepare.h"
#include "power.h"
#include "one_frame.h"
#include "many_frames.h"

/* See `reduce` in kernel.c. */
static int NAME(reduce_frames)(const struct plan *plan, const struct frames *frames, ptrdiff_t count, void *result,
                               void *work)
{
    return (plan->column.points > 1 ? NAME(reduce_one_by_one) : NAME(reduce_company))(plan, frames, count, result, work);
}

#include "pieces.h"
#include "levels.h"

#undef vec
#undef mask
#undef unaligned
#undef point

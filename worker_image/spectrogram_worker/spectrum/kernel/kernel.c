/* The compiled kernel: window, Fourier transform, |X|² and reduction of frames of single precision in one go.

   compiled_kernel.py says what it computes, scipy_kernel.py is its reference. Plain C with GCC's vectors, so that the same
   text is compiled for AVX-512, AVX2 and whatever else there is. Contraction to fused multiply-add must be off
   (build_kernel.py): the result is then the same, bit by bit, on every machine. */

#include <float.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum operation { SUM = 0, MAXIMUM = 1, MINIMUM = 2 };

typedef struct {
    float re, im;
} root;

/* What is the same for all frames of a job; `Plan` in compiled_kernel.py. */
struct plan {
    const float *window;       /* (covered) */
    const root *roots;         /* (fft size): exp(−2πi k / fft size) */
    const int32_t *operations; /* (reductions) */
    int64_t covered;           /* floats of a frame: its samples, or twice as many if they are complex */
    int64_t points;            /* of the complex transform: the fft size, or half of it if samples are real */
    int64_t rows;              /* of the points as a matrix: a power of two, 4 or more, no more than it has columns */
    int64_t reductions;
    int32_t is_real;
};

#define ALWAYS_INLINE static inline __attribute__((always_inline))

#define LANES 4
#include "lanes.h"
#undef LANES

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define WIDER
#pragma GCC push_options
#pragma GCC target("avx2")
#define LANES 8
#include "lanes.h"
#undef LANES
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512vl,prefer-vector-width=512")
#define LANES 16
#include "lanes.h"
#undef LANES
#pragma GCC pop_options
#endif

/* Frames that this processor transforms at a time, at most. */
int widest(void)
{
#ifdef WIDER
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        return 16;
    if (__builtin_cpu_supports("avx2"))
        return 8;
#endif
    return 4;
}

/* Bytes of work space: the points with room between their rows, two columns of them, of real frames their spectrum, and
   the power. */
int64_t work_bytes(const struct plan *plan, int lanes)
{
    int64_t columns = plan->points / plan->rows;
    int64_t points = plan->rows * (columns + 1) + 2 * columns + (plan->is_real ? plan->points : 0);
    int64_t bins = plan->points + (plan->is_real ? 1 : 0);
    return (2 * points + bins) * lanes * (int64_t)sizeof(float);
}

/* Reduces `count` frames, which begin at these offsets in bytes from `samples`, each into the block that it belongs to;
   frames of a block follow each other, and are reduced in this order, in single precision.

   lanes: 4, 8 or 16, no more than `widest`. result: (blocks, reductions, bins). work: `work_bytes`, aligned to the size
   of a vector of `lanes` floats. Returns 1, or 0 where a power is too large for single precision. */
int reduce(const struct plan *plan, int lanes, const char *samples, const int64_t *offsets, const int64_t *blocks,
           int64_t count, float *result, void *work)
{
#ifdef WIDER
    if (lanes == 16)
        return reduce_16(plan, samples, offsets, blocks, count, result, work);
    if (lanes == 8)
        return reduce_8(plan, samples, offsets, blocks, count, result, work);
#endif
    return reduce_4(plan, samples, offsets, blocks, count, result, work);
}

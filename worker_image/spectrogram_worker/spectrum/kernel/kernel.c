/* The compiled kernel: window, Fourier transform, |X|² and reduction of frames in one go.

   compiled/kernel.py says what it computes, scipy_kernel.py is its reference. Plain C with GCC's vectors, so that the same
   text is compiled for AVX-512, AVX2, NEON and whatever else there is, in single and in double precision. What is
   computed, and in which order, never depends on the number of lanes, and contraction to fused multiply-add must be off
   (build_kernel.py): so the result is the same, bit by bit, on every machine. */

#include <errno.h>
#include <float.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "plan.h"
#include "files.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))
#define JOIN_AGAIN(name, variant) name##_##variant
#define JOIN(name, variant) JOIN_AGAIN(name, variant)
#define NAME(name) JOIN(name, VARIANT)

#define BYTES 16
#include "widths.h"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define WIDER
#pragma GCC push_options
#pragma GCC target("avx2")
#define BYTES 32
#include "widths.h"
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512vl,prefer-vector-width=512")
#define BYTES 64
#include "widths.h"
#pragma GCC pop_options
#endif

/* What tells these sources from others; compiled/sources.py computes it. */
const char *source_hash(void)
{
    return SOURCE_HASH;
}

/* Bytes of the widest vectors that this processor has. */
int widest(void)
{
#ifdef WIDER
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        return 64;
    if (__builtin_cpu_supports("avx2"))
        return 32;
#endif
    return 16;
}

/* Bytes of work space for vectors of so many bytes; one_frame.h and many_frames.h say what for. */
int64_t work_bytes(const struct plan *plan, int vector)
{
    int64_t rows = plan->column.points, columns = plan->row.points, points = rows * columns;
    int64_t number = plan->is_double ? sizeof(double) : sizeof(float);
    int64_t bins = points + (plan->is_real ? 1 : 0), longest = rows > columns ? rows : columns;
    int64_t kept = prepared_numbers(plan) + (plan->is_real ? 2 * points : 0) + bins;
    if (rows > 1)
        return 4 * longest * vector + (2 * columns * plan->stride + kept) * number;
    return (4 * points + 2 * points + kept + bins) * vector;
}

/* A function for vectors of so many bytes and a precision. */
#define OF_PRECISION(function, bytes) (is_double ? function##_double_##bytes : function##_float_##bytes)
#ifdef WIDER
#define OF_VECTOR(function) \
    (vector == 64 ? OF_PRECISION(function, 64) : vector == 32 ? OF_PRECISION(function, 32) : OF_PRECISION(function, 16))
#else
#define OF_VECTOR(function) ((void)vector, OF_PRECISION(function, 16))
#endif

/* Reduces `count` frames of samples in memory, each into the block that it belongs to, in their order and in the plan's
   precision.

   vector: bytes of a vector: 16, 32 or 64, no more than `widest`. offsets, blocks: see `struct frames`. result: (blocks,
   reductions, bins). work: `work_bytes`, aligned to a vector. Returns 1, or 0 where a power is too large for the
   precision. */
int reduce(const struct plan *plan, int vector, const char *samples, const int64_t *offsets, const int64_t *blocks,
           int64_t count, void *result, void *work)
{
    const int is_double = plan->is_double;
    struct frames frames = {samples, 0, -1, offsets, blocks};
    return OF_VECTOR(reduce_frames)(plan, &frames, count, result, work);
}

/* The same of samples in files, which are read here. The frames cover them from the first one on, without one between
   two frames.

   hop: bytes of the samples from frame to frame. stops: (blocks): one past the last frame of each. room: page-aligned; for
   the samples of a frame, two pages, and twice as many samples as a read has; where numbers must be converted also a
   read itself and a page. Returns how many samples are at full scale, or −1 where they must be looked at one by one: one
   is no finite number or may be missing, a power is too large, or a file cannot be read to the end. */
int64_t reduce_files(const struct plan *plan, int vector, const struct file_samples *files, int64_t hop,
                     const int64_t *stops, int64_t blocks, void *result, void *work, char *room, int64_t room_bytes)
{
    const int is_double = plan->is_double;
    return OF_VECTOR(reduce_files)(plan, files, hop, stops, blocks, result, work, room, room_bytes);
}

/* Columns in decibels, (count, reductions, bins kept), of the power of their blocks; sums across blocks in double
   precision, in their order. Zero power is −infinity.

   offsets: (bins kept) dB that are added, in the power's precision. */
void levels(const struct columns *columns, int vector, int is_double, const void *power, const void *offsets, float *result)
{
    OF_VECTOR(levels)(columns, power, offsets, result);
}
